/** The signers that a cluster has by itself. Source: kubernetes.io, Certificates and Certificate Signing Requests (Kubernetes signers). */

/** Client certificates for any user; an administrator must approve them. */
export const apiServerClientSigner = 'kubernetes.io/kube-apiserver-client';
/** Client certificates of kubelets; requests may be approved without anybody. */
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
/** Serving certificates of kubelets. */
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';
/** Nobody promises anything of its certificates. No request of certificates.k8s.io/v1 may name it; stored ones may. */
export const legacyUnknownSigner = 'kubernetes.io/legacy-unknown';
