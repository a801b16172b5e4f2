/**
 * Certificates with their keys on disk, as upstream's kubelet keeps them: `<prefix>-<time>.pem`, and `<prefix>-current.pem`, a link that is
 * replaced in one step. A reader of the link always finds a certificate with its own key, also after a crash.
 *
 * Source: client-go `util/certificate/certificate_store.go`; kubernetes.io, TLS bootstrapping (kubelet-client-current.pem).
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { errorText } from '#api/error-text.ts';
import { parseIp } from '#api/ip.ts';

/** A certificate (with its chain) and its key, PEM, and what the certificate says. */
export interface StoredCertificate {
  certificate: string;
  key: string;
  notBeforeMs: number;
  notAfterMs: number;
  commonName: string;
  organizations: readonly string[];
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
}

/** A file cannot be used, or cannot be written. The message names the path. */
export class CertificateStoreError extends Error {
  override name = 'CertificateStoreError';
}

/** The current and the previous file are kept: another process may just have resolved the link to the previous one. */
const keptFiles = 2;

/** One certificate with its key and its predecessors on disk. @throws (its methods) Error of the filesystem */
export class CertificateStore {
  readonly #folder: string;
  readonly #prefix: string;

  /** @param folder made when something is written */
  constructor(folder: string, prefix: string) {
    this.#folder = folder;
    this.#prefix = prefix;
  }

  /** The path that a kubeconfig uses as `client-certificate` and as `client-key`. */
  get currentPath(): string {
    return join(this.#folder, `${this.#prefix}-current.pem`);
  }

  /** Undefined: none has been stored. @throws CertificateStoreError for a file that cannot be used */
  current(): StoredCertificate | undefined {
    let text: string;
    try {
      text = readFileSync(this.currentPath, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new CertificateStoreError(`${this.currentPath} cannot be read: ${errorText(error)}`, { cause: error });
    }
    try {
      return readCertificateAndKey(text, text);
    } catch (error) {
      throw new CertificateStoreError(`${this.currentPath} is no certificate with its key: ${errorText(error)}`, {
        cause: error,
      });
    }
  }

  /** Makes it the current one. @throws CertificateStoreError when they do not belong together, or cannot be written */
  update(certificate: string, key: string, nowMs: number): StoredCertificate {
    let stored: StoredCertificate;
    try {
      stored = readCertificateAndKey(certificate, key);
    } catch (error) {
      throw new CertificateStoreError(`the certificate that was issued cannot be used: ${errorText(error)}`, { cause: error });
    }
    const name = `${this.#prefix}-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[T:]/g, '-')}.pem`;
    try {
      makeFolder(this.#folder);
      writeWhole(join(this.#folder, name), `${stored.certificate}${stored.key}`);
      const link = `${this.currentPath}.updated`;
      rmSync(link, { force: true });
      symlinkSync(name, link);
      renameSync(link, this.currentPath);
      this.#removeOld(name);
    } catch (error) {
      throw new CertificateStoreError(`${this.currentPath} cannot be written: ${errorText(error)}`, { cause: error });
    }
    return stored;
  }

  #removeOld(newest: string): void {
    const ours = readdirSync(this.#folder).filter(
      (name) => name.startsWith(`${this.#prefix}-`) && /-\d{4}(-\d\d){5}\.pem$/.test(name) && name !== newest,
    );
    for (const name of ours.sort().slice(0, Math.max(0, ours.length + 1 - keptFiles)))
      rmSync(join(this.#folder, name), { force: true });
  }
}

/** Writes a file of mode 0600 under a temporary name, syncs it, then renames it: the path never holds half a file. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

const certificateBlocks = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----/;

/** @throws Error unless both are there and belong together */
export function readCertificateAndKey(certificateText: string, keyText: string): StoredCertificate {
  const blocks = certificateText.match(certificateBlocks) ?? [];
  const [leafPem] = blocks;
  const [key] = keyBlock.exec(keyText) ?? [];
  if (leafPem === undefined) throw new Error('there is no certificate');
  if (key === undefined) throw new Error('there is no private key');
  const leaf = new X509Certificate(leafPem);
  const bytes = (one: ReturnType<typeof createPublicKey>): Buffer => one.export({ type: 'spki', format: 'der' });
  // Compare bytes, not KeyObjects: for keys of different types, OpenSSL's comparison leaves an error in its queue, which then fails an
  // unrelated call.
  if (!bytes(createPublicKey(createPrivateKey(key))).equals(bytes(leaf.publicKey))) throw new Error('it belongs to another key');
  const subject = leaf.toLegacyObject().subject as unknown as Record<string, string | string[] | undefined>;
  const names = (leaf.subjectAltName ?? '').split(', ');
  const ofType = (type: string): string[] =>
    names.filter((name) => name.startsWith(`${type}:`)).map((name) => name.slice(type.length + 1));
  return {
    certificate: `${blocks.join('\n')}\n`,
    key: `${key}\n`,
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
    commonName: [subject?.['CN'] ?? []].flat().at(-1) ?? '',
    organizations: [subject?.['O'] ?? []].flat(),
    dnsNames: ofType('DNS'),
    ipAddresses: ofType('IP Address').map((text) => parseIp(text)?.text ?? text),
  };
}
