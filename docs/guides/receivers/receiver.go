// A receiver that verifies X-Signature and drops repetitions. Go's standard library only.
package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
)

var (
	secret = []byte(os.Getenv("TRAY_SHARED_SECRET"))
	mutex  sync.Mutex
	seen   = map[string]bool{} // use a database with a unique key for more than one process
)

func isSigned(body []byte, signature string) bool {
	mac := hmac.New(sha1.New, secret)
	mac.Write(body)
	return hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature))
}

func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || !isSigned(body, r.Header.Get("X-Signature")) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	mutex.Lock()
	defer mutex.Unlock()
	if !seen[key] {
		var event struct{ Type string }
		if json.Unmarshal(body, &event) != nil {
			w.WriteHeader(http.StatusBadRequest) // the event is at fault: a dead letter, not a retry
			return
		}
		fmt.Println("event", event.Type)
		seen[key] = true
	}
	w.WriteHeader(http.StatusOK)
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", receive)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
