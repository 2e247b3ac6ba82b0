{{- define "meshlet.selector" -}}
app.kubernetes.io/name: meshlet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "meshlet.labels" -}}
{{ include "meshlet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: node-daemon
app.kubernetes.io/part-of: meshlet
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
