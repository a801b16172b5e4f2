/** `--cluster-signing-cert-file` and `--cluster-signing-key-file`: another CA than the cluster's own for requests for certificates. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errorText } from '#api/error-text.ts';
import { canSign, isKeyTo, type KeyPair } from './certificates.ts';

/** @throws Error that names the flag and what is wrong with its file */
export function readSigningFiles(certFile: string, keyFile: string): KeyPair {
  const read = <T>(flag: string, path: string, parse: (pem: string) => T): { pem: string; parsed: T } => {
    try {
      const pem = readFileSync(path, 'utf8');
      return { pem, parsed: parse(pem) };
    } catch (error) {
      throw new Error(`${flag} ${path}: ${errorText(error)}`, { cause: error });
    }
  };
  const certificate = read('--cluster-signing-cert-file', certFile, (pem) => new X509Certificate(pem));
  const key = read('--cluster-signing-key-file', keyFile, (pem): KeyObject => createPrivateKey(pem));
  if (!certificate.parsed.ca) throw new Error(`--cluster-signing-cert-file ${certFile}: it is not the certificate of a CA`);
  if (!canSign(key.parsed)) throw new Error(`--cluster-signing-key-file ${keyFile}: certificates are signed with RSA or ECDSA`);
  if (!isKeyTo(key.parsed, certificate.parsed.publicKey))
    throw new Error(`--cluster-signing-key-file ${keyFile}: it is not the key of the certificate ${certFile}`);
  return { certificate: certificate.pem, key: key.pem };
}
