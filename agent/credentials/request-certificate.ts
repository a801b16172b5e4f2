/**
 * Asks the cluster for a certificate: makes a CertificateSigningRequest and waits until it is approved and the certificate is issued.
 *
 * Source: client-go `util/certificate/csr`; upstream `pkg/kubelet/certificate/bootstrap` (the request's name is derived from the key, so
 * that a restart continues with the earlier request); kubernetes.io, TLS bootstrapping.
 */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { parseIp } from '#api/ip.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import { type CertificateRequest, parseCertificateRequest } from '#api/x509/certificate-request.ts';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import { DerError } from '#api/x509/der.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';

/** The content of the certificate. */
export interface WantedCertificate {
  commonName: string;
  organizations: readonly string[];
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  signerName: string;
  /** Key usage in addition to `digital signature`. */
  usage: 'client auth' | 'server auth';
}

/** The request was denied, has failed, or belongs to another key. The message names it. */
export class CertificateRequestError extends Error {
  override name = 'CertificateRequestError';
}

/** The dependencies of {@link requestCertificate}. */
export interface RequestDeps {
  client: Client;
  clock: Clock;
  /** Called with the request's name when it waits for approval, and again every minute. */
  waiting(name: string): void;
}

/** Pause after a watch has ended, before the next one. */
const retryMs = 1_000;
const reminderMs = 60_000;

/**
 * Requests a certificate and returns it as PEM.
 * @param isNamed whether the request's name is derived from the key, so that the next start finds it
 * @throws CertificateRequestError; ApiError and TransportError when the request cannot be made; the signal's reason
 */
export async function requestCertificate(
  deps: RequestDeps,
  wanted: WantedCertificate,
  key: KeyObject,
  { isNamed, timeoutMs, signal }: { isNamed: boolean; timeoutMs: number; signal: AbortSignal },
): Promise<string> {
  const request = await makeRequest(deps, wanted, key, isNamed);
  const { name, uid } = request.metadata;
  const { clock } = deps;
  const timeout = new AbortController();
  const cancel = clock.after(timeoutMs, () => timeout.abort());
  const ended = AbortSignal.any([signal, timeout.signal]);
  let remind: () => void = () => undefined;
  const tell = (): void => {
    deps.waiting(name);
    remind = clock.after(reminderMs, tell);
  };
  tell();
  try {
    while (!ended.aborted) {
      const certificate = await untilIssued(deps.client, name, uid, ended);
      if (certificate !== undefined) return certificate;
      await sleep(clock, retryMs, ended);
    }
  } finally {
    cancel();
    remind();
  }
  signal.throwIfAborted();
  throw new CertificateRequestError(
    `certificate signing request ${name} was not approved and issued within ${timeoutMs / 1000} s: kubectl certificate approve ${name}`,
  );
}

async function makeRequest(
  { client, clock }: Pick<RequestDeps, 'client' | 'clock'>,
  wanted: WantedCertificate,
  key: KeyObject,
  isNamed: boolean,
): Promise<CertificateSigningRequest> {
  const { commonName, organizations, dnsNames = [], ipAddresses = [], signerName, usage } = wanted;
  const names = { dnsNames: [...dnsNames], ipAddresses: ipAddresses.map(addressBytes) };
  const pem = createCertificateRequest({ commonName, organizations, names }, key);
  // Only an RSA key enciphers other keys.
  const rsa = key.asymmetricKeyType === 'rsa' ? ['key encipherment'] : [];
  const usages = ['digital signature', usage, ...rsa];
  const spec = { request: Buffer.from(pem).toString('base64'), signerName, usages };
  const requests = client.resource(resource);
  const header = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' };
  const create = (metadata: object) => requests.create({ ...header, metadata, spec } as never);
  if (!isNamed) return await create({ generateName: 'csr-' });
  const name = digestedName(key, wanted, usages);
  try {
    return await create({ name });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const found = await requests.get({ name });
  return isSame(found, wanted, key, clock.now()) ? found : await create({ generateName: 'csr-' });
}

/** The address as certificates hold it. */
export function addressBytes(text: string): Buffer {
  const address = parseIp(text);
  if (address === undefined) throw new CertificateRequestError(`${text} is not an IP address`);
  const digits = address.value.toString(16);
  return Buffer.from(digits.padStart(address.family === 'IPv4' ? 8 : 32, '0'), 'hex');
}

/** The name contains a digest of everything that makes two requests different, with a separator that cannot occur in the parts. */
function digestedName(key: KeyObject, { commonName, organizations }: WantedCertificate, usages: readonly string[]): string {
  const hash = createHash('sha512-256');
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  for (const part of [publicKey, commonName, ...organizations, ...usages])
    hash.update(`${Buffer.from(part).toString('base64url')}|`);
  return `node-csr-${hash.digest('base64url')}`;
}

/** Whether the existing request of this name has our content and may still be issued. */
function isSame({ spec, status }: CertificateSigningRequest, wanted: WantedCertificate, key: KeyObject, nowMs: number): boolean {
  if (spec.signerName !== wanted.signerName || hasEnded(status?.certificate ?? '', nowMs)) return false;
  if ((status?.conditions ?? []).some(({ type }) => type === 'Denied' || type === 'Failed')) return false;
  let request: CertificateRequest;
  try {
    request = parseCertificateRequest(spec.request);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
  const { subject, publicKey } = request;
  const ours = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return (
    subject.commonName === wanted.commonName &&
    subject.organization.join('\n') === wanted.organizations.join('\n') &&
    Buffer.from(publicKey.info).equals(ours)
  );
}

/** Whether the issued certificate has expired. @param base64 `status.certificate`; '' when nothing was issued yet */
function hasEnded(base64: string, nowMs: number): boolean {
  if (base64 === '') return false;
  try {
    return Date.parse(new X509Certificate(Buffer.from(base64, 'base64')).validTo) <= nowMs;
  } catch {
    return true; // Not a certificate.
  }
}

/** Watches the request until it is issued. Undefined: the watch has ended, or the server did not answer. @throws CertificateRequestError */
async function untilIssued(
  client: Client,
  name: string,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const requests = client.resource(resource);
  const verdict = (request: CertificateSigningRequest): string | undefined => {
    if (request.metadata.uid !== uid)
      throw new CertificateRequestError(`certificate signing request ${name} was deleted and made anew`);
    return issued(request);
  };
  const gone = (): never => {
    throw new CertificateRequestError(`certificate signing request ${name} was deleted`);
  };
  try {
    const found = await requests.get({ name });
    const certificate = verdict(found);
    if (certificate !== undefined) return certificate;
    const query = { fieldSelector: `metadata.name=${name}`, resourceVersion: found.metadata.resourceVersion };
    for await (const { type, object } of requests.watch(query, signal)) {
      if (type === 'DELETED') gone();
      const later = verdict(object);
      if (later !== undefined) return later;
    }
  } catch (error) {
    if (isNotFound(error)) gone();
    if (error instanceof CertificateRequestError) throw error;
    // The caller asks again after a pause.
  }
  return undefined;
}

/** The issued certificate; undefined when there is none yet. @throws CertificateRequestError */
function issued({ metadata, status }: CertificateSigningRequest): string | undefined {
  for (const { type, reason = '', message = '' } of status?.conditions ?? []) {
    if (type === 'Denied' || type === 'Failed')
      throw new CertificateRequestError(
        `certificate signing request ${metadata.name} ${type === 'Denied' ? 'is denied' : 'failed'}, reason: ${reason}, message: ${message}`,
      );
  }
  const isApproved = (status?.conditions ?? []).some(({ type }) => type === 'Approved');
  const certificate = status?.certificate ?? '';
  return isApproved && certificate !== '' ? Buffer.from(certificate, 'base64').toString('utf8') : undefined;
}
