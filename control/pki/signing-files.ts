/** Certificates and keys in files that flags name. Errors name flag and file. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorText } from '#api/error-text.ts';
import { canSign, isKeyTo, type KeyPair } from './certificates.ts';

/** A CA for certificate signing requests. @throws Error that names the flag */
export function readSigningFiles(certFile: string, keyFile: string): KeyPair {
  return readPair(flagsOf('--cluster-signing'), certFile, keyFile, (certificate, key) => {
    if (!certificate.ca) throw new Error(`--cluster-signing-cert-file ${certFile}: it is not the certificate of a CA`);
    if (!canSign(key)) throw new Error(`--cluster-signing-key-file ${keyFile}: certificates are signed with RSA or ECDSA`);
  });
}

/** What aggregated servers know us by. @throws Error that names the flag */
export const readProxyClientFiles = (certFile: string, keyFile: string): KeyPair =>
  readPair(flagsOf('--proxy-client'), certFile, keyFile, () => undefined);

/** What kubelets know the API server by. @throws Error that names the flag */
export const readKubeletClientFiles = (certFile: string, keyFile: string): KeyPair =>
  readPair({ certificate: '--kubelet-client-certificate', key: '--kubelet-client-key' }, certFile, keyFile, () => undefined);

const flagsOf = (prefix: string): PairFlags => ({ certificate: `${prefix}-cert-file`, key: `${prefix}-key-file` });

interface PairFlags {
  certificate: string;
  key: string;
}

function readPair(
  flags: PairFlags,
  certFile: string,
  keyFile: string,
  check: (certificate: X509Certificate, key: KeyObject) => void,
): KeyPair {
  const read = <T>(name: string, path: string, parse: (pem: string) => T): { pem: string; parsed: T } => {
    try {
      const pem = readFileSync(path, 'utf8');
      return { pem, parsed: parse(pem) };
    } catch (error) {
      throw new Error(`${name} ${path}: ${errorText(error)}`, { cause: error });
    }
  };
  const certificate = read(flags.certificate, certFile, (pem) => new X509Certificate(pem));
  const key = read(flags.key, keyFile, (pem): KeyObject => createPrivateKey(pem));
  check(certificate.parsed, key.parsed);
  if (!isKeyTo(key.parsed, certificate.parsed.publicKey))
    throw new Error(`${flags.key} ${keyFile}: it is not the key of the certificate ${certFile}`);
  return { certificate: certificate.pem, key: key.pem };
}
