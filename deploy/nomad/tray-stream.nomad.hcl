job "tray-stream" {
  group "tray-stream" {
    count = 2

    network {
      port "metrics" { to = 9464 }
    }

    # One at a time, so that each rebalance is small.
    update {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "10s"
      healthy_deadline = "5m"
    }

    service {
      name     = "tray-stream"
      port     = "metrics"
      provider = "nomad"

      # Whether its threads live, never whether Kafka or a workflow does.
      check {
        type     = "http"
        path     = "/healthz"
        interval = "15s"
        timeout  = "10s"
      }
    }

    task "tray-stream" {
      driver       = "docker"
      kill_signal  = "SIGTERM"
      kill_timeout = "45s" # above kafka.drain_timeout (15 s) plus ten seconds; the client's max_kill_timeout caps it

      # A token for the template below; tray-stream has no use for one itself, so its renewal restarts nothing.
      vault {
        change_mode = "noop"
      }

      config {
        image           = "registry.example.com/tray-stream:0.1.0"
        args            = ["run", "--config", "/local/stream.toml"]
        ports           = ["metrics"]
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      template {
        destination   = "local/stream.toml"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = file("stream.toml")
      }

      template {
        destination   = "secrets/orders_url"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = "{{ with secret \"kv/data/tray\" }}{{ .Data.data.orders_url }}{{ end }}"
      }

      resources {
        cpu    = 1000
        memory = 512
      }
    }
  }
}
