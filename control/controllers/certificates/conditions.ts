/**
 * Reads and adds conditions of CertificateSigningRequests. Source: upstream `pkg/controller/certificates/certificate_controller_utils.go`.
 */
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/types.generated.ts';

/** The conditions of the request; an empty list where it has none yet. */
export const conditionsOf = ({ status }: CertificateSigningRequest): readonly CertificateSigningRequestCondition[] =>
  status?.conditions ?? [];

/** Whether the request has the condition, whatever its status says. */
export const hasCondition = (request: CertificateSigningRequest, type: 'Approved' | 'Denied' | 'Failed'): boolean =>
  conditionsOf(request).some((condition) => condition.type === type);

/** Whether a certificate was issued. */
export const isIssued = ({ status }: CertificateSigningRequest): boolean => (status?.certificate ?? '') !== '';

/** A copy of the request with one more condition. The given object is shared and not changed. */
export const withCondition = (
  request: CertificateSigningRequest,
  condition: CertificateSigningRequestCondition,
): CertificateSigningRequest => ({
  ...request,
  status: { ...request.status, conditions: [...conditionsOf(request), condition] },
});
