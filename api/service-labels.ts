/** Labels of EndpointSlices and Endpoints that several parts read. Source: k8s.io/api `discovery/v1/well_known_labels.go`; core/v1 (IsHeadlessService). */

/** The name of the slice's Service. */
export const serviceNameLabel = 'kubernetes.io/service-name';
/** The name of the controller that manages the slice. */
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** On endpoints and slices of a headless Service. Proxies ignore slices with it, whatever its value. */
export const headlessLabel = 'service.kubernetes.io/headless';
/** The annotation with the time of the change that triggered an update of endpoints. */
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';
