/** The annotation in which `kubectl apply` keeps the configuration that it applied last. Source: kubernetes.io, Declarative Management of Kubernetes Objects. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
