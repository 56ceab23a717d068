{{/*
What the chart reads out of `config`: it derives from it what Kubernetes and KEDA need, and refuses what cannot work.
With `existingConfigMap` the settings are not known here: the defaults are taken for them.
*/}}

{{/* The settings, as JSON. */}}
{{- define "tray-stream.settings" -}}
{{- $settings := dict -}}
{{- if not .Values.existingConfigMap -}}
{{- $text := required "config is empty: give your stream.toml, as --set-file config=stream.toml, or name an existingConfigMap" .Values.config -}}
{{- $settings = fromToml $text -}}
{{- if hasKey $settings "Error" -}}
{{- fail (printf "config is not TOML: %s" $settings.Error) -}}
{{- end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{/* One setting: (list context section key default). A variable in `env` comes before the file. */}}
{{- define "tray-stream.setting" -}}
{{- $root := index . 0 -}}
{{- $section := index . 1 -}}
{{- $key := index . 2 -}}
{{- $settings := include "tray-stream.settings" $root | fromJson -}}
{{- $table := get $settings $section -}}
{{- $found := index . 3 -}}
{{- if and (kindIs "map" $table) (hasKey $table $key) -}}
{{- $found = get $table $key -}}
{{- end -}}
{{- $variable := printf "TRAY_%s__%s" (upper $section) (upper $key) -}}
{{- range $root.Values.env -}}
{{- if and (eq .name $variable) (hasKey . "value") -}}
{{- $found = .value -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- end }}

{{/* Whole seconds of a duration such as 1m30s or PT1M30S, rounded up: (list place text). */}}
{{- define "tray-stream.seconds" -}}
{{- $place := index . 0 -}}
{{- $text := index . 1 | lower | trimPrefix "p" | replace "t" "" -}}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$" $text) -}}
{{- fail (printf "%s = %q cannot be read here: set terminationGracePeriodSeconds above it plus ten seconds" $place (index . 1)) -}}
{{- end -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)" $text -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
{{- end -}}
{{- ceil $sum | int -}}
{{- end }}

{{/* How long Kubernetes waits after SIGTERM: given, or kafka.drain_timeout, the last commit and some reserve. */}}
{{- define "tray-stream.gracePeriod" -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if and $given .Values.existingConfigMap -}}
{{- $given | int -}}
{{- else -}}
{{- $text := include "tray-stream.setting" (list . "kafka" "drain_timeout" "15s") -}}
{{- if and $given (not (regexMatch "^[0-9PTpt]" $text)) -}}
{{- $given | int -}}
{{- else -}}
{{- $drain := include "tray-stream.seconds" (list "kafka.drain_timeout" $text) | int -}}
{{- if not $given -}}
{{- add $drain 30 -}}
{{- else if le ($given | int) (add $drain 10 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds = %d is too short: kafka.drain_timeout (%ds) and ten seconds for the last commit must fit; leave it out to have it derived" ($given | int) $drain) -}}
{{- else -}}
{{- $given | int -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The port of http.listen; refused where the kubelet could not reach it. */}}
{{- define "tray-stream.port" -}}
{{- $listen := include "tray-stream.setting" (list . "http" "listen" "0.0.0.0:9464") -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $listen -}}
{{- fail (printf "http.listen = %q: Kubernetes cannot ask for health there; leave it out, the image listens on every address" $listen) -}}
{{- end -}}
{{- $port := regexFind "[0-9]+$" $listen -}}
{{- if or (not $port) (eq $port "0") -}}
{{- fail (printf "http.listen = %q does not say at which port Kubernetes is to ask for health" $listen) -}}
{{- end -}}
{{- $port -}}
{{- end }}

{{/* Refuses one instance id for all pods. */}}
{{- define "tray-stream.instance" -}}
{{- $id := include "tray-stream.setting" (list . "kafka" "group_instance_id" "") -}}
{{- if and $id (or (gt (.Values.replicas | int) 1) .Values.keda.enabled .Values.staticMembership.enabled) -}}
{{- fail (printf "kafka.group_instance_id = %q would be the same in every pod, and Kafka lets in one of them: remove it, and set staticMembership.enabled" $id) -}}
{{- end -}}
{{- end }}

{{/* KEDA's triggers: {topics, groups: [{name, policy}], bootstrapServers}, as JSON; given, or out of the settings. */}}
{{- define "tray-stream.keda" -}}
{{- $keda := .Values.keda -}}
{{- $settings := include "tray-stream.settings" . | fromJson -}}
{{- $kafka := get $settings "kafka" | default dict -}}
{{- $servers := $keda.bootstrapServers | default (include "tray-stream.setting" (list . "kafka" "bootstrap_servers" "")) -}}
{{- if or (not $servers) (contains "${" $servers) -}}
{{- fail "keda.bootstrapServers is empty, and kafka.bootstrap_servers cannot be read from config: set it" -}}
{{- end -}}
{{- $topics := $keda.topics | default (get $kafka "topics") -}}
{{- if not $topics -}}
{{- fail "keda.topics is empty, and config has no kafka.topics: list the topics" -}}
{{- end -}}
{{- range $topics -}}
{{- if or (hasPrefix "^" .) (contains "${" .) -}}
{{- fail (printf "topic %q: KEDA takes no pattern and no reference; list the topics it stands for in keda.topics" .) -}}
{{- end -}}
{{- end -}}
{{- if gt ($keda.minReplicas | int) ($keda.maxReplicas | int) -}}
{{- fail (printf "keda.minReplicas (%d) is above keda.maxReplicas (%d)" ($keda.minReplicas | int) ($keda.maxReplicas | int)) -}}
{{- end -}}
{{- $policy := $keda.offsetResetPolicy | default (include "tray-stream.setting" (list . "kafka" "start" "earliest")) -}}
{{- $groups := list -}}
{{- if $keda.consumerGroups -}}
{{- range $keda.consumerGroups -}}
{{- $groups = append $groups (dict "name" . "policy" $policy) -}}
{{- end -}}
{{- else if .Values.existingConfigMap -}}
{{- fail "keda.consumerGroups is empty: the chart cannot read it from an existingConfigMap" -}}
{{- else -}}
{{- $group := include "tray-stream.setting" (list . "kafka" "group_id" "tray") -}}
{{- if eq (get $settings "isolation" | default "shared") "workflow" -}}
{{- range $index, $workflow := (get $settings "workflow" | default list) -}}
{{- if not $workflow.name -}}
{{- fail (printf "workflow[%d] has no name, so its consumer group is not known here: name it, or list keda.consumerGroups" $index) -}}
{{- end -}}
{{- $groups = append $groups (dict "name" (printf "%s.%s" $group $workflow.name) "policy" ($keda.offsetResetPolicy | default $workflow.start | default $policy)) -}}
{{- end -}}
{{- if not $groups -}}
{{- fail "config has no [[workflow]], so its consumer groups are not known here: list keda.consumerGroups" -}}
{{- end -}}
{{- else -}}
{{- $groups = list (dict "name" $group "policy" $policy) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "topics" $topics "groups" $groups "bootstrapServers" $servers) -}}
{{- end }}

{{/* Refuses a network policy that would cut the way to Kafka. */}}
{{- define "tray-stream.kafkaPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.kafkaPorts -}}{{- $ports = append $ports (. | int | toString) -}}{{- end -}}
{{- $servers := include "tray-stream.setting" (list . "kafka" "bootstrap_servers" "") -}}
{{- if not (contains "${" $servers) -}}
{{- range splitList "," $servers -}}
{{- $port := regexFind ":[0-9]+$" (trim .) | trimPrefix ":" -}}
{{- if and $port (not (has $port $ports)) -}}
{{- fail (printf "kafka.bootstrap_servers has port %s, which networkPolicy.kafkaPorts lacks" $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
