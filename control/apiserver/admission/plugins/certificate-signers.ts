/**
 * CertificateApproval and CertificateSigning: besides permission to write `/approval` or `/status`, approving or signing requests of a
 * signer needs the verb `approve` or `sign` on `signers`, for that signer or all of its domain (`example.com/*`).
 *
 * Source: upstream `plugin/pkg/admission/certificates/{approval,signing}`, `pkg/certauthorization`.
 */
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** What the three plugins for certificates need. */
export interface CertificateSignersDeps {
  /** Undefined: nothing is allowed. */
  authorizer: Authorizer | undefined;
}

const group = 'certificates.k8s.io';
const plural = 'certificatesigningrequests';

/** @throws (when asked) ApiError 403 */
export const certificateApproval = ({ authorizer }: CertificateSignersDeps): AdmissionPlugin => ({
  name: 'CertificateApproval',
  handles: (operation) => operation === 'update',

  async validate(attributes) {
    if (!concerns(attributes, group, plural, 'approval')) return;
    await check(attributes, 'approve', authorizer);
  },
});

/** Setting the condition Failed counts as signing. @throws (when asked) ApiError 403 */
export const certificateSigning = ({ authorizer }: CertificateSignersDeps): AdmissionPlugin => ({
  name: 'CertificateSigning',
  handles: (operation) => operation === 'update',

  async validate(attributes) {
    if (!concerns(attributes, group, plural, 'status')) return;
    const [now, before] = [attributes.object, attributes.oldObject].map((object) => statusOf(object));
    if (now?.certificate === before?.certificate && semanticEqual(now?.conditions, before?.conditions)) return;
    await check(attributes, 'sign', authorizer);
  },
});

function statusOf(object: AdmissionAttributes['object']): CertificateSigningRequest['status'] {
  return (object as CertificateSigningRequest | undefined)?.status;
}

/** The signer of the stored object, not of the update. */
async function check(
  attributes: AdmissionAttributes,
  verb: 'approve' | 'sign',
  authorizer: Authorizer | undefined,
): Promise<void> {
  const { signerName } = (attributes.oldObject as CertificateSigningRequest).spec;
  if (authorizer !== undefined && (await maySign(authorizer, attributes.user, verb, signerName))) return;
  throw admissionForbidden(attributes, `user not permitted to ${verb} requests with signerName ${JSON.stringify(signerName)}`);
}

async function maySign(authorizer: Authorizer, user: UserInfo, verb: string, signerName: string): Promise<boolean> {
  const domain = signerName.split('/')[0] ?? '';
  for (const name of [signerName, `${domain}/*`]) {
    const asked = { user, verb, group, version: '*', resource: 'signers', subresource: '', namespace: '', name };
    if ((await authorizer.authorize({ ...asked, isResource: true, path: '' })).allowed) return true;
  }
  return false;
}
