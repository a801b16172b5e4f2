/**
 * CSR signing controller: issues certificates for approved requests to the cluster's own four signers, or reports why it cannot.
 *
 * Watches: CertificateSigningRequest.  Writes: CertificateSigningRequest/status.
 * Source: upstream `pkg/controller/certificates/{signer/signer.go,authority/policies.go}`; kubernetes.io, Kubernetes signers.
 */
import { kubeletClientProblem, kubeletServingProblem } from '#api/certificates/kubelet-requests.ts';
import {
  apiServerClientSigner,
  kubeletClientSigner,
  kubeletServingSigner,
  legacyUnknownSigner,
} from '#api/certificates/signers.ts';
import { rfc3339 } from '#api/meta.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { type CertificateRequest, parseCertificateRequest } from '#api/x509/certificate-request.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { hasCondition, isIssued, withCondition } from './conditions.ts';

/** Usages and validity of a certificate. */
export interface CertificateTerms {
  /** Usages by their names in requests. */
  usages: readonly string[];
  notBeforeMs: number;
  notAfterMs: number;
}

/** Signs with the key of the cluster's CA. */
export interface CertificateSigner {
  /** When the CA's own certificate expires. */
  readonly notAfterMs: number;
  /** @returns PEM @throws Error for unknown usages */
  sign(request: CertificateRequest, terms: CertificateTerms): Promise<string>;
}

/** How approved requests are signed. */
export interface CsrSigningOptions {
  signer: CertificateSigner;
  /** `--cluster-signing-duration`: how long a certificate is valid at most. */
  maxDurationMs: number;
}

const resource = 'certificatesigningrequests.certificates.k8s.io';

/** Validates requests by the rules of each signer. Undefined when the request is valid. */
const problems: Readonly<Record<string, (request: CertificateRequest, usages: readonly string[]) => string | undefined>> = {
  [apiServerClientSigner]: (_, usages) => clientUsagesProblem(usages),
  [kubeletClientSigner]: kubeletClientProblem,
  [kubeletServingSigner]: kubeletServingProblem,
  [legacyUnknownSigner]: () => undefined,
};

/** Makes the controller. */
export const csrSigningController = (
  { client, caches, clock }: ControllerDeps,
  { signer, maxDurationMs }: CsrSigningOptions,
): Controller => ({
  name: 'csrsigning',
  watches: [own(resource)],

  async reconcile(key) {
    const request = caches.cache(resource).get(key);
    if (request === undefined || isIssued(request)) return done;
    if (!hasCondition(request, 'Approved') || hasCondition(request, 'Denied') || hasCondition(request, 'Failed')) return done;
    const { signerName, usages = [], expirationSeconds } = request.spec;
    const problemOf = Object.hasOwn(problems, signerName) ? problems[signerName] : undefined;
    if (problemOf === undefined) return done;
    const asked = parseCertificateRequest(request.spec.request);
    const problem = problemOf(asked, usages);
    if (problem !== undefined) {
      await client.resource(resource).updateStatus(failed(request, problem, clock.now()));
      return done;
    }
    asked.checkSignature();
    const validity = validityOf({ expirationSeconds, maxDurationMs, caNotAfterMs: signer.notAfterMs, nowMs: clock.now() });
    const certificate = Buffer.from(await signer.sign(asked, { usages, ...validity })).toString('base64');
    await client.resource(resource).updateStatus({ ...request, status: { ...request.status, certificate } });
    return done;
  },
});

const failed = (request: CertificateSigningRequest, message: string, nowMs: number): CertificateSigningRequest =>
  withCondition(request, {
    type: 'Failed',
    status: 'True',
    reason: 'SignerValidationFailure',
    message,
    lastUpdateTime: rfc3339(nowMs),
  });

function clientUsagesProblem(usages: readonly string[]): string | undefined {
  const other = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage));
  if (other !== undefined) return `invalid usage for client certificate: ${other}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

const minuteMs = 60_000;
/** Certificates are valid from a little earlier, because clocks of machines differ. */
const backdateMs = 5 * minuteMs;
/** For certificates shorter than this, the earlier start does not shorten the validity after now. */
const shortMs = 8 * 60 * minuteMs;
const minDurationMs = 10 * minuteMs;

/**
 * Start and end of a certificate's validity. It never ends after the CA's own.
 * @throws Error when that has ended already. Pure.
 */
export function validityOf(asked: {
  expirationSeconds: number | undefined;
  maxDurationMs: number;
  caNotAfterMs: number;
  nowMs: number;
}): Pick<CertificateTerms, 'notBeforeMs' | 'notAfterMs'> {
  const { expirationSeconds, maxDurationMs, caNotAfterMs, nowMs } = asked;
  const wantedMs = expirationSeconds === undefined ? maxDurationMs : Math.max(expirationSeconds * 1000, minDurationMs);
  const durationMs = Math.min(wantedMs, maxDurationMs);
  const end = nowMs + durationMs - (durationMs < shortMs ? 0 : backdateMs);
  if (nowMs >= caNotAfterMs)
    throw new Error(`refusing to sign a certificate that expired in the past: NotAfter=${new Date(caNotAfterMs).toISOString()}`);
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: Math.min(end, caNotAfterMs) };
}
