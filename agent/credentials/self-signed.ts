/**
 * The kubelet's self-signed serving certificate. It is made once, when no flag names a certificate and none is requested from the cluster.
 *
 * Source: kubernetes `cmd/kubelet/app/server.go` (InitializeTLS): `kubelet.crt` and `kubelet.key` in `--cert-dir`.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { createSelfSigned } from '#api/x509/self-signed.ts';
import { addressBytes } from './request-certificate.ts';

/** Makes the files unless both exist. @returns the paths of certificate and key @throws Error of the filesystem */
export function selfSigned(
  certDir: string,
  { nodeName, nodeIp }: { nodeName: string; nodeIp: string },
  nowMs: number,
): [certFile: string, keyFile: string] {
  const files: [string, string] = [join(certDir, 'kubelet.crt'), join(certDir, 'kubelet.key')];
  if (files.every((file) => existsSync(file))) return files;
  makeFolder(certDir);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = { dnsNames: isIP(nodeName) === 0 ? [nodeName] : [], ipAddresses: [addressBytes(nodeIp)] };
  const certificate = createSelfSigned({ commonName: `${nodeName}@${Math.floor(nowMs / 1000)}`, names, nowMs }, privateKey);
  const [certFile, keyFile] = files;
  write(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 0o600);
  write(certFile, certificate, 0o644);
  return files;
}

/** Writes a temporary file and renames it, so that a crash leaves no partial file. */
function write(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
