{{/* What works, but perhaps not as it was meant. A JSON array of sentences. */}}
{{- define "lastcall.warnings" -}}
{{- $warnings := list }}
{{- $grace := include "lastcall.gracePeriodSeconds" . | int }}
{{- $limit := int .Values.nodeDrainLimitSeconds }}
{{- if and $limit (gt $grace $limit) }}
{{- $warnings = append $warnings (printf "The grace period is %d s, but node autoscalers and upgrades kill a pod after %d s by default. If your cluster does that, lower config.GRACEFUL_SHUTDOWN_TIMEOUT by %d, or raise their limit and nodeDrainLimitSeconds." $grace $limit (sub $grace $limit)) }}
{{- end }}
{{- if and .Values.preStopSleepSeconds .Values.config.SHUTDOWN_DELAY }}
{{- $warnings = append $warnings "preStopSleepSeconds and config.SHUTDOWN_DELAY wait for the same thing, one after the other; one of them is enough." }}
{{- end }}
{{- if and (eq .Values.engine "embedded") (not .Values.persistence.enabled) }}
{{- $warnings = append $warnings "Without persistence all tasks are lost with the pod." }}
{{- end }}
{{- if and (eq .Values.engine "distributed") (lt (include "lastcall.minReplicas" . | int) 2) }}
{{- $warnings = append $warnings "One pod of the distributed engine survives a rollout, not the loss of its node: replicaCount 2 or more." }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.config.SCRAPE_LINGER) }}
{{- $warnings = append $warnings (printf "What a pod counts in its last seconds is not scraped: set config.SCRAPE_LINGER a little above serviceMonitor.interval (%s)." .Values.serviceMonitor.interval) }}
{{- end }}
{{- $memory := include "lastcall.mebibytes" (dig "limits" "memory" "" .Values.resources) | int }}
{{- $workers := mul (int .Values.config.MAX_WORKERS) (add (int .Values.config.WORKER_MEMORY_LIMIT) 64) }}
{{- if and $memory (lt $memory (add $workers 256 | int)) }}
{{- $warnings = append $warnings (printf "resources.limits.memory is %d MiB, but config.MAX_WORKERS times config.WORKER_MEMORY_LIMIT and 64 MiB, and 256 MiB for the rest, are %d: greedy tasks could take the whole pod with them." $memory (add $workers 256)) }}
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.tokens.api) (not .Values.tokens.existingSecret) }}
{{- $warnings = append $warnings "The API is open to everyone who reaches it: no API tokens are set." }}
{{- end }}
{{- toJson $warnings }}
{{- end }}
