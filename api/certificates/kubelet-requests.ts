/**
 * The rules for certificate requests of kubelets. The approver recognizes requests by them, and the signer refuses others.
 *
 * Source: kubernetes `pkg/apis/certificates/helpers.go`, whose texts these are.
 */
import type { CertificateRequest } from '../x509/certificate-request.ts';

/** Why a request for a kubelet's client certificate is invalid; undefined when it is valid. */
export function kubeletClientProblem({ subject, names }: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(subject.organization)) return notOfNodes;
  if (names.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (names.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (names.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (names.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!subject.commonName.startsWith(nodePrefix)) return notANode;
  return usagesProblem(usages, 'client auth');
}

/** Why a request for a kubelet's serving certificate is invalid; undefined when it is valid. */
export function kubeletServingProblem({ subject, names }: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(subject.organization)) return notOfNodes;
  if (names.dnsNames.length === 0 && names.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (names.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (names.uris.length > 0) return 'URI subjectAltNames are not allowed';
  return usagesProblem(usages, 'server auth') ?? (subject.commonName.startsWith(nodePrefix) ? undefined : notANode);
}

const nodePrefix = 'system:node:';
const notANode = 'subject common name does not begin with system:node:';
const notOfNodes = 'subject organization is not system:nodes';

const isOfNodes = (organization: readonly string[]): boolean => organization.length === 1 && organization[0] === 'system:nodes';

/** `key encipherment` is for RSA keys, which not every kubelet has. */
function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const given = new Set(usages);
  const needed = [purpose, 'digital signature', 'key encipherment'].sort();
  const without = needed.filter((usage) => usage !== 'key encipherment');
  const matches = (wanted: readonly string[]): boolean => wanted.length === given.size && wanted.every((one) => given.has(one));
  return matches(needed) || matches(without) ? undefined : `usages did not match [${needed.join(' ')}]`;
}
