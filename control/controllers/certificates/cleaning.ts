/**
 * CSR cleaner: deletes old requests: one hour after they were answered, after one day without an answer, and when their certificate has
 * expired.
 *
 * Watches: CertificateSigningRequest.  Writes: CertificateSigningRequest.
 * Source: upstream `pkg/controller/certificates/cleaner/cleaner.go`.
 */
import { X509Certificate } from 'node:crypto';
import { isNotFound } from '#api/status.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { decodePem } from '#api/x509/pem.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { conditionsOf, hasCondition, isIssued } from './conditions.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';
const hourMs = 60 * 60_000;
/** Lifetime of requests that were issued, denied, or have failed. */
const answeredMs = hourMs;
/** Lifetime of requests that wait for approval or for their certificate. */
const pendingMs = 24 * hourMs;

/** Makes the controller. */
export const csrCleanerController = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'csrcleaner',
  watches: [own(resource)],
  concurrency: 1,

  async reconcile(key) {
    const request = caches.cache(resource).get(key);
    const endMs = request === undefined ? undefined : endOfUse(request);
    if (request === undefined || endMs === undefined || request.metadata.deletionTimestamp !== undefined) return done;
    const leftMs = endMs - clock.now();
    // Timers are limited to 24 days, but certificates may be valid longer.
    if (leftMs >= 0) return requeueAfter(Math.min(leftMs + 1, pendingMs));
    const { name, uid } = request.metadata;
    try {
      await client.resource(resource).delete({ name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});

/** When the request may be deleted, in ms since the epoch; undefined: never. Pure. */
export function endOfUse(request: CertificateSigningRequest): number | undefined {
  const conditions = conditionsOf(request);
  const ends = conditions.flatMap(({ type, lastUpdateTime }) => {
    const keptMs = type === 'Approved' ? (isIssued(request) ? answeredMs : pendingMs) : answeredMs;
    const isDecisive = type === 'Approved' || type === 'Denied' || type === 'Failed';
    return isDecisive && lastUpdateTime !== undefined ? [Date.parse(lastUpdateTime) + keptMs] : [];
  });
  if (conditions.length === 0) ends.push(Date.parse(request.metadata.creationTimestamp ?? '') + pendingMs);
  const certificateEnd = hasCondition(request, 'Approved') ? endOfCertificate(request) : undefined;
  const known = [...ends, ...(certificateEnd === undefined ? [] : [certificateEnd])].filter((end) => !Number.isNaN(end));
  return known.length === 0 ? undefined : Math.min(...known);
}

/** When the issued certificate expires; undefined when there is none, or it cannot be parsed. */
function endOfCertificate({ status }: CertificateSigningRequest): number | undefined {
  const found = decodePem(Buffer.from(status?.certificate ?? '', 'base64').toString('latin1'));
  if (found === undefined) return undefined;
  try {
    return new X509Certificate(found.block.bytes).validToDate.getTime();
  } catch {
    return undefined; // Its signer may have stored anything.
  }
}
