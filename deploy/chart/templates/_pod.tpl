{{/* A pod's specification: of the processor, or of `helm test`: (dict "root" context "test" bool). */}}
{{- define "tray-stream.pod" -}}
{{- with .root -}}
serviceAccountName: {{ include "tray-stream.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- if $.test }}
restartPolicy: Never
{{- else }}
terminationGracePeriodSeconds: {{ include "tray-stream.gracePeriod" . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- if not $.test }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
containers:
  - name: tray-stream
    image: {{ include "tray-stream.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      {{- ternary (list "check") .Values.args $.test | toYaml | nindent 6 }}
    {{- if or .Values.env (and .Values.staticMembership.enabled (not $.test)) }}
    env:
      {{- if and .Values.staticMembership.enabled (not $.test) }}
      # The pod keeps its name, so it comes back as the member that it was.
      - name: TRAY_KAFKA__GROUP_INSTANCE_ID
        valueFrom: {fieldRef: {fieldPath: metadata.name}}
      {{- end }}
      {{- with .Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- with .Values.envFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if not $.test }}
    ports:
      - {name: metrics, containerPort: {{ include "tray-stream.port" . }}, protocol: TCP}
    # Whether its threads live, never whether Kafka or a workflow does: a restart would help neither.
    startupProbe:
      httpGet: {path: /healthz, port: metrics}
      periodSeconds: 2
      timeoutSeconds: 3
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /healthz, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    # Joined its group once and is not stopping: a rollout waits for that.
    readinessProbe:
      httpGet: {path: /readyz, port: metrics}
      periodSeconds: 5
      timeoutSeconds: 5
    {{- end }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/tray-stream, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- if .Values.secretName }}
      - {name: secrets, mountPath: /secrets, readOnly: true}
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- if not $.test }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "tray-stream.configMap" . }}
  - name: tmp
    emptyDir: {}
  {{- with .Values.secretName }}
  - name: secrets
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not $.test }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}
