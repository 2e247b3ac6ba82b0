//! Valid objects that between them have every field of `istio-semantics.md` section 1, and then some.

/// Documents by kind; nothing in them is refused once every field is honoured.
pub(crate) const DOCUMENTS: &[&str] =
    &[NAMESPACES, SERVICES, PODS, SLICES, ROUTES, ANSWERS, OPAQUE, RULES, POLICIES, ENTRIES, SIDECAR, GAMMA];

/// All of them as one text.
pub(crate) fn text() -> String {
    DOCUMENTS.join("\n---\n")
}

const NAMESPACES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: pay, labels: {istio.io/dataplane-mode: meshlet}, annotations: {meshlet.dev/redirect: enabled}}
";

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z', annotations: {networking.istio.io/exportTo: '*'}}
spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, 'fd00::1']
  selector: {app: web}
  publishNotReadyAddresses: false
  internalTrafficPolicy: Cluster
  trafficDistribution: PreferClose
  sessionAffinity: None
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: grpc-api, port: 9090, targetPort: grpc, appProtocol: grpc}
  - {name: raw, port: 7000}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: pay}, spec: {clusterIP: 10.96.0.2, selector: {app: api}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp-db, port: 5432}, {name: tls, port: 443}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: web.shop.svc.cluster.local, ports: [{name: http, port: 80}]}}
";

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: u-1, labels: {app: web, version: v1}}
spec:
  nodeName: n1
  hostNetwork: false
  containers: [{name: c, ports: [{name: grpc, containerPort: 50051, protocol: TCP}]}]
status: {phase: Running, podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}], conditions: [{type: Ready, status: 'True'}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-2, namespace: shop, labels: {app: web, version: v2, topology.kubernetes.io/zone: z2}}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: pay, labels: {app: api}, annotations: {traffic.sidecar.istio.io/excludeOutboundIPRanges: '10.9.0.0/16,fd00::/8', traffic.sidecar.istio.io/includeOutboundPorts: '80,443'}}, status: {podIP: 10.1.0.3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: shop, labels: {app: client}}, status: {podIP: 10.1.0.9}}
";

const SLICES: &str = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: pay, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- addresses: [10.1.0.3]
  conditions: {ready: true, serving: true, terminating: false}
  targetRef: {kind: Pod, name: api}
  zone: z1
  nodeName: n1
";

const ROUTES: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec:
  hosts: [web, '*.example.com']
  gateways: [mesh]
  exportTo: ['*']
  http:
  - name: canary
    match:
    - name: all
      uri: {prefix: /api}
      ignoreUriCase: true
      scheme: {exact: http}
      method: {regex: 'GET|POST'}
      authority: {prefix: web}
      headers: {x-user: {exact: alice}, ':path': {regex: '/.*'}, x-any: {}}
      withoutHeaders: {x-no: {regex: '*'}}
      queryParams: {q: {exact: '1'}, r: {regex: 'a+'}}
      port: 80
      sourceLabels: {app: client}
      sourceNamespace: shop
    - {uri: {exact: /one}, gateways: [mesh], statPrefix: one}
    route:
    - destination: {host: web, subset: v1, port: {number: 80}}
      weight: 90
      headers: {request: {set: {x-a: '1'}, add: {x-b: '%REQ(x-user)%'}, remove: [x-c]}, response: {set: {x-d: d}}}
    - {destination: {host: web, subset: v2}, weight: 10}
    - {destination: {host: api.pay.svc.cluster.local}, weight: 0}
    rewrite: {uri: /v2, authority: web.internal}
    timeout: 5s
    retries: {attempts: 3, perTryTimeout: 1s, retryOn: 'gateway-error,503', backoff: 10ms, retryRemoteLocalities: true, retryIgnorePreviousHosts: false}
    fault: {delay: {fixedDelay: 1s, percentage: {value: 0.1}}, abort: {httpStatus: 503, percentage: {value: 50}}}
    mirrors: [{destination: {host: api.pay.svc.cluster.local}, percentage: {value: 1.5}}]
    corsPolicy: {allowOrigins: [{exact: 'https://a.example'}, {regex: '.*'}], allowMethods: [GET], allowHeaders: [x], exposeHeaders: [y], maxAge: 24h, allowCredentials: true, unmatchedPreflights: IGNORE}
    headers: {request: {set: {':authority': other}}, response: {remove: [server]}}
  - match: [{uri: {regex: '/r(e|g)+'}}]
    rewrite: {uriRegexRewrite: {match: '/r(.)', rewrite: '/\\1'}}
    mirror: {host: web, subset: v2}
    mirrorPercentage: {value: 100}
    route: [{destination: {host: web, subset: v3}}]
  - route: [{destination: {host: web}}]
";

const ANSWERS: &str = "
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: api, namespace: pay}
spec:
  hosts: [api, unknown.example.com]
  exportTo: [., shop]
  http:
  - {match: [{uri: {prefix: /old}}], redirect: {uri: /new, authority: h, redirectCode: 308, scheme: https, port: 8443}}
  - {match: [{uri: {prefix: /derived}}], redirect: {derivePort: FROM_REQUEST_PORT}}
  - {match: [{uri: {prefix: /teapot}}], directResponse: {status: 418, body: {string: short and stout}}, headers: {response: {set: {x-tea: earl}}}}
  - {match: [{uri: {prefix: /sub}}], delegate: {name: part, namespace: pay}}
  - {fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}, retries: {attempts: 0}, route: [{destination: {host: api}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part, namespace: pay}
spec: {http: [{match: [{uri: {prefix: /sub/a}}], route: [{destination: {host: api}}]}]}
";

const OPAQUE: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: db, namespace: shop}
spec:
  hosts: [db]
  tcp: [{match: [{port: 5432, destinationSubnets: [10.0.0.0/8], sourceLabels: {app: client}, sourceNamespace: shop, gateways: [mesh]}], route: [{destination: {host: db}, weight: 1}, {destination: {host: web, port: {number: 7000}}, weight: 1}]}]
  tls: [{match: [{sniHosts: [db], port: 443}], route: [{destination: {host: db}}]}]
";

const RULES: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  exportTo: ['*']
  workloadSelector: {matchLabels: {app: client}}
  trafficPolicy:
    loadBalancer:
      consistentHash: {httpCookie: {name: c, path: /, ttl: 10s, attributes: [{name: SameSite, value: Lax}]}, ringHash: {minimumRingSize: 64}}
      localityLbSetting: {enabled: true, distribute: [{from: r1/*, to: {r1/*: 80, r2/*: 20}}]}
      warmup: {duration: 30s, minimumPercent: 10, aggression: 1}
    connectionPool:
      tcp: {maxConnections: 10, connectTimeout: 1s, idleTimeout: 1h, maxConnectionDuration: 1h, tcpKeepalive: {probes: 3, time: 10s, interval: 1s}}
      http: {http1MaxPendingRequests: 1, http2MaxRequests: 10, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 1s, h2UpgradePolicy: UPGRADE, useClientProtocol: true, maxConcurrentStreams: 1}
    outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: 2, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 50, minHealthPercent: 10, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2}
    tls: {mode: DISABLE}
    portLevelSettings: [{port: {number: 9090}, loadBalancer: {simple: ROUND_ROBIN}}]
  subsets:
  - {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
  - {name: v2, labels: {version: v2}}
";

const POLICIES: &str = "
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: api, namespace: pay}, spec: {host: '*.pay.svc.cluster.local', trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: X-User, maglev: {tableSize: 101}}}, retryBudget: {percent: 20, minRetryConcurrency: 3}}}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: all, namespace: istio-system}, spec: {host: '*', trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}, tls: {mode: ISTIO_MUTUAL}}}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: db, namespace: shop}, spec: {host: db, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: q}}, tunnel: {protocol: CONNECT, targetHost: a, targetPort: 80}, proxyProtocol: {version: V2}}}}
";

const ENTRIES: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec: {hosts: [out.example.com], addresses: [240.0.0.1], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, location: MESH_EXTERNAL, exportTo: ['*'], endpoints: [{address: 10.9.0.1, ports: {http: 8080}, labels: {version: v1}, locality: r1/z1, weight: 2}]}
";

const SIDECAR: &str = "
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: default, namespace: pay}, spec: {workloadSelector: {labels: {app: api}}, egress: [{hosts: ['./*', 'shop/*', '~/x']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}
";

const GAMMA: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: api, namespace: pay}
spec:
  parentRefs: [{group: '', kind: Service, name: api, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /g}, headers: [{type: Exact, name: x, value: y}], queryParams: [{name: q, value: '1'}], method: GET}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], add: [{name: c, value: d}], remove: [e]}}
    - {type: URLRewrite, urlRewrite: {hostname: h, path: {type: ReplacePrefixMatch, replacePrefixMatch: /h}}}
    backendRefs: [{name: api, port: 80, weight: 1}]
";
