/**
 * CertificateSubjectRestriction: refuses requests for client certificates of the group `system:masters`.
 *
 * Source: upstream `plugin/pkg/admission/certificates/subjectrestriction`.
 */
import { apiServerClientSigner } from '#api/certificates/signers.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { parseCertificateRequest } from '#api/x509/certificate-request.ts';
import { DerError } from '#api/x509/der.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

const group = 'system:masters';

/** @throws (when asked) ApiError 403 */
export const certificateSubjectRestriction = (): AdmissionPlugin => ({
  name: 'CertificateSubjectRestriction',
  handles: (operation) => operation === 'create',

  validate(attributes) {
    if (!concerns(attributes, 'certificates.k8s.io', 'certificatesigningrequests')) return;
    const { signerName, request } = (attributes.object as CertificateSigningRequest).spec;
    if (signerName !== apiServerClientSigner || !organizations(request, attributes).includes(group)) return;
    throw admissionForbidden(attributes, `use of ${apiServerClientSigner} signer with ${group} group is not allowed`);
  },
});

function organizations(request: string, attributes: AdmissionAttributes): readonly string[] {
  try {
    return parseCertificateRequest(request).subject.organization;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw admissionForbidden(attributes, `failed to parse CSR: ${error.message}`);
  }
}
