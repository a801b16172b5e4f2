/**
 * Keeps a certificate valid: requests the first one when there is none, and a new one at 70 to 90 % of the lifetime of the current one. The
 * random part spreads the renewals of nodes that joined at the same time.
 *
 * Source: client-go `util/certificate/certificate_manager.go`; kubernetes.io, Configure Certificate Rotation for the Kubelet.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Logger } from 'pino';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { CertificateStore, StoredCertificate } from './certificate-store.ts';
import { requestCertificate, type WantedCertificate } from './request-certificate.ts';

/** What {@link CertificateManager} needs. */
export interface CertificateManagerDeps {
  store: CertificateStore;
  /**
   * The client that sends the next request. It is called for each request. @param current the valid certificate; undefined when there is
   * none
   */
  client(current: StoredCertificate | undefined): Client;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** Called after each failed request. */
  failed(): void;
  /** Called with the age in seconds of a certificate that was replaced. */
  rotated(ageSeconds: number): void;
}

/** Time to wait for one request to be issued, as upstream. */
const requestMs = 15 * 60_000;
/** Back-off after failures, as upstream: 2 s, doubled up to 32 s, with 10 % jitter. */
const firstRetryMs = 2_000;
const lastRetryMs = 32_000;
const pauseMs = 1_000;
/** Longest sleep. The wall clock may be changed while we sleep, so the deadline is checked at least this often. */
const lookMs = 3_600_000;

/** Keeps one certificate valid while it runs. A failed request is repeated with back-off. */
export class CertificateManager {
  readonly #deps: CertificateManagerDeps;
  readonly #wanted: WantedCertificate;
  readonly #listeners = new Set<() => void>();
  #current: StoredCertificate | undefined;
  #isForced: boolean;

  /** @param initial a certificate from outside the store. It is used, and replaced at once, when the store has none. */
  constructor(deps: CertificateManagerDeps, wanted: WantedCertificate, initial?: StoredCertificate) {
    this.#deps = deps;
    this.#wanted = wanted;
    const stored = deps.store.current();
    this.#current = stored ?? initial;
    this.#isForced = stored === undefined;
  }

  /** The valid certificate. Undefined when there is none yet, or it has expired. */
  current(): StoredCertificate | undefined {
    const current = this.#current;
    return current !== undefined && current.notAfterMs > this.#deps.clock.now() ? current : undefined;
  }

  /** `listener` is called after each change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Renews until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    while (!signal.aborted) {
      const deadlineMs = this.#deadline();
      if (deadlineMs !== undefined)
        log.debug({ certificate: this.#wanted.commonName, deadline: new Date(deadlineMs) }, 'rotation');
      while (!signal.aborted && deadlineMs !== undefined && clock.now() < deadlineMs)
        await sleep(clock, Math.min(deadlineMs - clock.now(), lookMs), signal);
      for (
        let waitMs = firstRetryMs;
        !signal.aborted && !(await this.#rotate(signal));
        waitMs = Math.min(waitMs * 2, lastRetryMs)
      )
        await sleep(clock, waitMs * (1 + random() * 0.1), signal);
      // Certificates that are valid only for seconds may have passed their deadline already, so always sleep a little.
      await sleep(clock, pauseMs, signal);
    }
  }

  /** When to request the next certificate, in ms since the epoch. Undefined: now. */
  #deadline(): number | undefined {
    const current = this.#current;
    if (this.#isForced || current === undefined || !satisfies(current, this.#wanted)) return undefined;
    return rotationDeadlineMs(current, this.#deps.random());
  }

  /** Requests a new certificate. @returns whether one was issued */
  async #rotate(signal: AbortSignal): Promise<boolean> {
    const { store, clock, log } = this.#deps;
    const wanted = this.#wanted;
    const fields = { user: wanted.commonName, signer: wanted.signerName };
    try {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const waiting = (request: string): void =>
        log.info({ ...fields, request }, 'waiting until the certificate is approved and issued');
      const pem = await requestCertificate({ client: this.#deps.client(this.current()), clock, waiting }, wanted, privateKey, {
        isNamed: false,
        timeoutMs: requestMs,
        signal,
      });
      const previous = this.#current;
      this.#current = store.update(pem, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), clock.now());
      this.#isForced = false;
      if (previous !== undefined) this.#deps.rotated((clock.now() - previous.notBeforeMs) / 1000);
      log.info({ ...fields, expires: new Date(this.#current.notAfterMs) }, 'there is a new certificate');
      for (const listener of this.#listeners) listener();
      // The signer may leave out a name that we asked for. Without a pause we would send one request after another.
      if (!satisfies(this.#current, wanted)) log.warn(fields, 'the certificate does not say what was asked for');
      return satisfies(this.#current, wanted);
    } catch (error) {
      if (signal.aborted) return false;
      this.#deps.failed();
      log.warn({ ...fields, err: error }, 'there is no new certificate yet; trying again');
      return false;
    }
  }
}

/** A point between 70 and 90 % of the certificate's lifetime, in ms since the epoch. @param random in [0, 1). Pure. */
export const rotationDeadlineMs = (
  { notBeforeMs, notAfterMs }: Pick<StoredCertificate, 'notBeforeMs' | 'notAfterMs'>,
  random: number,
): number => notBeforeMs + (notAfterMs - notBeforeMs) * (0.7 + 0.2 * random);

/** Whether the certificate has the subject and all names that are wanted. Pure. */
export function satisfies(current: StoredCertificate, wanted: WantedCertificate): boolean {
  const has = (present: readonly string[], names: readonly string[] = []): boolean =>
    names.every((name) => present.includes(name));
  return (
    current.commonName === wanted.commonName &&
    has(current.organizations, wanted.organizations) &&
    has(current.dnsNames, wanted.dnsNames) &&
    has(current.ipAddresses, wanted.ipAddresses)
  );
}
