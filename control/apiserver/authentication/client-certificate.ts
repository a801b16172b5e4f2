/**
 * Client certificates: the common name is the user, each organization a group.
 *
 * Source: apiserver `pkg/authentication/request/x509`; kubernetes.io, Authenticating (X.509 client certificates).
 */
import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import {
  AuthenticationError,
  type CertificateSigner,
  type ClientCertificate,
  type RequestAuthenticator,
} from './authenticator.ts';

/**
 * Authenticates by a client certificate of `--client-ca-file`. @param observe called with the remaining validity of each certificate, in
 * seconds
 */
export function clientCertificates(clock: Clock, observe: (secondsLeft: number) => void): RequestAuthenticator {
  const known = new WeakMap<ClientCertificate, Known>();
  const lookAt = (shown: ClientCertificate): Known => {
    const made = { user: certificateUser(shown.certificate), expiresMs: Date.parse(shown.certificate.valid_to) };
    known.set(shown, made);
    return made;
  };
  return {
    authenticateRequest({ certificate: shown }) {
      if (shown === undefined) return undefined;
      const { user, expiresMs } = known.get(shown) ?? lookAt(shown);
      observe((expiresMs - clock.now()) / 1000);
      const problem = certificateProblem(shown, 'client', () => expiresMs, clock);
      if (problem !== undefined) return problem;
      return user === undefined ? undefined : { user };
    },
  };
}

interface Known {
  user: UserInfo | undefined;
  expiresMs: number;
}

/**
 * The error of a certificate; undefined if it is valid and signed by `signer`. A connection may outlive its certificate, so the validity
 * period is checked for each request.
 */
export function certificateProblem(
  shown: ClientCertificate,
  signer: CertificateSigner,
  expiresMs: () => number,
  clock: Clock,
): AuthenticationError | undefined {
  const known = refusals[signer].get(shown);
  if (known !== undefined) return known;
  const { certificate, signedBy, problem } = shown;
  const failed = (why: string): AuthenticationError =>
    new AuthenticationError(`verifying certificate SN=${serialOf(certificate)} failed: x509: ${why}`);
  const why = problem ?? (signedBy.includes(signer) ? undefined : 'certificate signed by unknown authority');
  if (why !== undefined) {
    const error = failed(why);
    refusals[signer].set(shown, error);
    return error;
  }
  const endMs = expiresMs();
  return endMs < clock.now() ? failed(`certificate has expired: it was valid to ${new Date(endMs).toISOString()}`) : undefined;
}

/**
 * Errors that are always the same for one certificate. They are kept because creating an error with its stack is slow: each request of an
 * ordinary client is first refused by the check for front proxies. Creating that error took 6 % of a small request, and throwing a kept one
 * 3 %.
 */
const refusals: Record<CertificateSigner, WeakMap<ClientCertificate, AuthenticationError>> = {
  client: new WeakMap(),
  requestHeader: new WeakMap(),
};

const serialOf = ({ serialNumber }: PeerCertificate): string =>
  /^[0-9a-f]+$/i.test(serialNumber ?? '') ? BigInt(`0x${serialNumber}`).toString() : '';

/** Undefined for a certificate without a common name. */
function certificateUser(certificate: PeerCertificate): UserInfo | undefined {
  // The type says string, but a subject with several O has an array.
  const subject = certificate.subject as unknown as Record<string, string | string[] | undefined>;
  const name = commonNameOf(certificate);
  if (name === '') return undefined;
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  return {
    name,
    groups: subject['O'] === undefined ? [] : [subject['O']].flat(),
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
}

/** '' if there is none. */
export function commonNameOf({ subject }: PeerCertificate): string {
  const name = (subject as unknown as Record<string, string | string[] | undefined>)['CN'];
  return (Array.isArray(name) ? name.at(-1) : name) ?? '';
}

/** Longer chains are refused. */
const maxChain = 10;

/**
 * Whether a chain that TLS has verified against all CAs ends at one of `authorities`.
 * @param chain the certificate with its issuers, as `getPeerCertificate(true)` gives them
 */
export function leadsTo(chain: DetailedPeerCertificate, authorities: readonly X509Certificate[]): boolean {
  let current: DetailedPeerCertificate | undefined = chain;
  for (let depth = 0; depth < maxChain && current !== undefined; depth++) {
    const certificate = new X509Certificate(current.raw);
    const isSigner = (authority: X509Certificate): boolean =>
      authority.fingerprint256 === certificate.fingerprint256 ||
      (certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
    if (authorities.some(isSigner)) return true;
    const issuer: DetailedPeerCertificate | undefined = current.issuerCertificate;
    current = issuer === current || issuer?.raw === undefined ? undefined : issuer;
  }
  return false;
}
