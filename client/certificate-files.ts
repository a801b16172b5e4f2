/**
 * A serving certificate and its key in two files, read again when they change, so that a new certificate needs no restart. While the two do not
 * belong together, because somebody is just writing them, the pair of before stays.
 *
 * Source: apiserver `pkg/server/dynamiccertificates/dynamic_serving_content.go`; kubernetes `pkg/kubelet/certificate/kubelet.go`
 * (NewKubeletServerCertificateDynamicFileManager).
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from './clock.ts';

/** Interval at which the files are read. */
const lookMs = 10_000;

/** PEM: a certificate with its chain, and its key. */
export interface CertificatePair {
  certificate: string;
  key: string;
}

/** Callbacks for changes of the files. */
export interface CertificateFilesLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** The pair of files; see the top of this file. */
export class CertificateFiles {
  readonly #certFile: string;
  readonly #keyFile: string;
  readonly #listeners: ((pair: CertificatePair) => void)[] = [];
  #pair: CertificatePair;
  #told = '';

  /** @throws Error that names the files, when they cannot be used */
  constructor(certFile: string, keyFile: string) {
    this.#certFile = certFile;
    this.#keyFile = keyFile;
    this.#pair = checked(readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8'), certFile, keyFile);
  }

  current(): CertificatePair {
    return this.#pair;
  }

  /** Calls the listener with each further pair. */
  onChange(listener: (pair: CertificatePair) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks at the files until `signal` aborts. Never rejects. */
  async run({ clock, log }: { clock: Clock; log: CertificateFilesLog }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(clock, lookMs, signal);
      if (!signal.aborted) await this.#look(log);
    }
  }

  async #look(log: CertificateFilesLog): Promise<void> {
    const [certFile, keyFile] = [this.#certFile, this.#keyFile];
    try {
      const [certificate, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
      if (certificate === this.#pair.certificate && key === this.#pair.key) return;
      this.#pair = checked(certificate, key, certFile, keyFile);
      for (const listener of this.#listeners) listener(this.#pair);
      this.#told = '';
      log.info({ certFile, keyFile }, 'the serving certificate has been read again');
    } catch (error) {
      const reason = errorText(error);
      // Report it only once, because the files are read repeatedly.
      if (reason !== this.#told)
        log.warn({ certFile, keyFile, reason }, 'the changed serving certificate cannot be used; the one of before stays');
      this.#told = reason;
    }
  }
}

function checked(certificate: string, key: string, certFile: string, keyFile: string): CertificatePair {
  const spki = (text: Parameters<typeof createPublicKey>[0]): Buffer =>
    createPublicKey(text).export({ type: 'spki', format: 'der' });
  const own = read(certFile, () => new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }));
  const belongs = read(keyFile, () => spki(createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }) as string));
  if (!own.equals(belongs)) throw new Error(`${keyFile} is not the key of the certificate ${certFile}`);
  return { certificate, key };
}

function read<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Error(`${path}: ${errorText(error)}`, { cause: error });
  }
}
