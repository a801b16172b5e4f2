/**
 * X.509 certificates of the cluster: one CA, and what it signs. ECDSA P-256 throughout.
 *
 * Source: kubernetes.io, "PKI certificates and requirements" (subjects, usages, file names).
 */
import 'reflect-metadata'; // which @peculiar/x509's dependency injection needs
import * as crypto from 'node:crypto';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

type CryptoKey = webcrypto.CryptoKey;

cryptoProvider.set(webcrypto as unknown as Crypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Where the key is of another type, that one's algorithm is taken, with this hash. */
export const signingAlgorithm = algorithm;
const dayMs = 24 * 60 * 60 * 1000;

/** A certificate and its private key, both PEM (PKCS #8 for the key). */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** What a certificate of the cluster's CA shall say. */
export interface CertificateRequest {
  /** The user name, for a client. */
  commonName: string;
  /** The groups, for a client. */
  organizations?: readonly string[] | undefined;
  /** peer: both, as members of etcd need. */
  usage: 'client' | 'server' | 'peer';
  dnsNames?: readonly string[] | undefined;
  ipAddresses?: readonly string[] | undefined;
}

/** Makes a self-signed CA, valid for ten years, as kubeadm's. */
export async function createAuthority(nowMs: number, commonName = 'kubernetes'): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(nowMs - 5 * 60_000), // clocks of the machines may differ a little
    notAfter: new Date(nowMs + 3650 * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await exportKey(keys.privateKey) };
}

/** Signs a new key's certificate, valid for one year, as kubeadm's. */
export async function issueCertificate(authority: KeyPair, request: CertificateRequest, nowMs: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = new X509Certificate(authority.certificate);
  const names = [
    ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [request.commonName] }, ...(request.organizations ?? []).map((group) => ({ O: [group] }))],
    issuer: issuer.subject,
    notBefore: new Date(nowMs - 5 * 60_000),
    notAfter: new Date(Math.min(nowMs + 365 * dayMs, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
      new ExtendedKeyUsageExtension([
        ...(request.usage === 'client' ? [] : [ExtendedKeyUsage.serverAuth]),
        ...(request.usage === 'server' ? [] : [ExtendedKeyUsage.clientAuth]),
      ]),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
    ],
  });
  return { certificate: pemOf(certificate), key: await exportKey(keys.privateKey) };
}

/** An RSA key that signs service-account tokens (RS256), as kubeadm's `sa.key`: PKCS #8 and SPKI PEM. */
export async function createTokenKey(): Promise<{ privateKey: string; publicKey: string }> {
  const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
  const publicKey = PemConverter.encode(await webcrypto.subtle.exportKey('spki', keys.publicKey), PemConverter.PublicKeyTag);
  return { privateKey: await exportKey(keys.privateKey), publicKey: `${publicKey}\n` };
}

/**
 * Whether the private key is the one to the public key. By their bytes: where the types of keys differ, OpenSSL's own comparison leaves
 * an error behind that makes the next, unrelated call fail ("different key types").
 */
export function isKeyTo(privateKey: crypto.KeyObject, publicKey: crypto.KeyObject): boolean {
  const bytes = (key: crypto.KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
  return bytes(crypto.createPublicKey(privateKey)).equals(bytes(publicKey));
}

/** Whether a stored certificate still serves: its own key, the same CA, the names asked for, and a month to go. */
export async function stillServes(
  authority: KeyPair,
  pair: KeyPair,
  request: CertificateRequest,
  nowMs: number,
): Promise<boolean> {
  // A crash between writing the two files leaves a new key beside the old certificate.
  if (!isKeyTo(crypto.createPrivateKey(pair.key), new crypto.X509Certificate(pair.certificate).publicKey)) return false;
  const certificate = new X509Certificate(pair.certificate);
  if (!(await certificate.verify({ publicKey: new X509Certificate(authority.certificate), signatureOnly: true }))) return false;
  if (certificate.notAfter.getTime() < nowMs + 30 * dayMs) return false;
  const present = new Set(certificate.getExtension(SubjectAlternativeNameExtension)?.names.items.map(({ value }) => value) ?? []);
  return [...(request.dnsNames ?? []), ...(request.ipAddresses ?? [])].every((name) => present.has(name));
}

/** A positive 16-byte serial number. */
export function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString('hex');
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)}\n`;
}

/** Also keys that others made: kubeadm's are RSA, and in PKCS #1 or SEC 1. */
export async function importKey(pem: string): Promise<CryptoKey> {
  const key = crypto.createPrivateKey(pem);
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithmOf(key), false, ['sign']);
}

/** Whether certificates can be signed with it: RSA and ECDSA, as kubeadm makes them. */
export function canSign(key: crypto.KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' || Object.hasOwn(curves, key.asymmetricKeyDetails?.namedCurve ?? '');
}

const curves: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: crypto.KeyObject) {
  if (asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return { name: 'ECDSA', namedCurve: curves[asymmetricKeyDetails?.namedCurve ?? ''] ?? '' };
}
