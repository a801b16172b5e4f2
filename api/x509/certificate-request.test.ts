import assert from 'node:assert/strict';
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { cpuMs } from '#test/cpu-time.ts';
import { type CertificateRequest, parseCertificateRequest, readCertificateRequest } from './certificate-request.ts';
import { createCertificateRequest, signedRequest } from './create-request.ts';
import { DerError, derElement, tags } from './der.ts';
import { decodePem, encodePem } from './pem.ts';

const run = (program: string, args: readonly string[], options: ExecFileSyncOptions): Buffer =>
  Buffer.from(execFileSync(program, args, options));

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');
const parse = (pem: string): CertificateRequest => parseCertificateRequest(base64(pem));
const bytesOf = (pem: string): Buffer => decodePem(pem)?.block.bytes ?? Buffer.alloc(0);
const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');

const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ec: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  ed25519: generateKeyPairSync('ed25519').privateKey,
};

/** A subject's attribute 2.5.4.<id>. */
const attribute = (id: number, tag: number, value: string | Buffer): Buffer =>
  derElement(tags.sequence, derElement(tags.oid, Buffer.from([0x55, 4, id])), derElement(tag, Buffer.from(value)));
const subjectOf = (...sets: Buffer[][]): Buffer => derElement(tags.sequence, ...sets.map((set) => derElement(tags.set, ...set)));
const infoOf = (key: KeyObject): Buffer => {
  const request = bytesOf(createCertificateRequest({ commonName: 'x' }, key));
  return readCertificateRequest(request).publicKey.info;
};
/** A signed request of these parts. */
const requestOf = ({ subject = subjectOf(), info = infoOf(keys.ec), attributes = derElement(0xa0) }): Buffer =>
  signedRequest(derElement(tags.sequence, hex('020100'), subject, info, attributes), keys.ec);
const extension = (oid: string, value: Buffer): Buffer =>
  derElement(tags.sequence, derElement(tags.oid, hex(oid)), derElement(tags.octetString, value));
const requesting = (...extensions: Buffer[]): Buffer =>
  derElement(
    0xa0,
    derElement(
      tags.sequence,
      derElement(tags.oid, hex('2a864886f70d01090e')),
      derElement(tags.set, derElement(tags.sequence, ...extensions)),
    ),
  );

describe('a certificate request', () => {
  for (const [type, key] of Object.entries(keys))
    it(`with a key of type ${type} is read as it was made, and its signature counts`, () => {
      const names = {
        dnsNames: ['a.example.com'],
        ipAddresses: [Buffer.from([10, 0, 0, 1])],
        emailAddresses: ['a@b'],
        uris: ['https://x/'],
      };
      const request = parse(createCertificateRequest({ commonName: 'jäne', organizations: ['a', 'b'], names }, key));
      assert.equal(request.subject.commonName, 'jäne');
      assert.deepEqual(request.subject.organization, ['a', 'b']);
      assert.deepEqual(request.names, names);
      request.checkSignature();
    });

  it('is the one that Go sees: of several common names the last, of one set all organizations', () => {
    const subject = subjectOf(
      [attribute(3, tags.utf8String, 'first'), attribute(10, tags.printableString, 'a'), attribute(10, tags.t61String, 'b')],
      [attribute(10, tags.bmpString, Buffer.from('c', 'utf16le').swap16()), attribute(3, tags.utf8String, 'last')],
      [attribute(10, tags.integer, hex('01')), attribute(41, tags.utf8String, 'another part')],
    );
    const { commonName, organization } = readCertificateRequest(requestOf({ subject })).subject;
    assert.deepEqual([commonName, organization], ['last', ['a', 'b', 'c']]);
  });

  const san = (...names: Buffer[]): Buffer => requesting(extension('551d11', derElement(tags.sequence, ...names)));
  const ecInfo = (curve: string, point: Buffer): Buffer =>
    derElement(
      tags.sequence,
      derElement(tags.sequence, derElement(tags.oid, hex('2a8648ce3d0201')), hex(curve)),
      derElement(tags.bitString, hex('00'), point),
    );
  const refused: [what: string, Buffer, RegExp][] = [
    ['nothing', Buffer.alloc(0), /^asn1: syntax error: sequence truncated$/],
    [
      'another type',
      hex('020101'),
      /^asn1: structure error: tags don't match \(16 vs \{class:0 tag:2 length:1 isCompound:false\}\) .* certificateRequest @2$/,
    ],
    ['an indefinite length', hex('30800000'), /indefinite length found \(not DER\)/],
    ['a length that is not minimal', hex('308102'), /non-minimal length/],
    ['less than it says', hex('30820200'), /data truncated/],
    ['more than one element', Buffer.concat([requestOf({}), hex('00')]), /trailing data/],
    [
      'no attributes',
      signedRequest(derElement(tags.sequence, hex('020100'), subjectOf(), infoOf(keys.ec)), keys.ec),
      /sequence truncated/,
    ],
    [
      'a malformed name',
      requestOf({ subject: subjectOf([attribute(3, tags.printableString, 'a_b')]) }),
      /PrintableString contains invalid character/,
    ],
    [
      'a name that is not UTF-8',
      requestOf({ subject: subjectOf([attribute(3, tags.utf8String, hex('ff'))]) }),
      /invalid UTF-8 string/,
    ],
    [
      'an address of five bytes',
      requestOf({ attributes: san(derElement(0x87, Buffer.alloc(5))) }),
      /^x509: cannot parse IP address of length 5$/,
    ],
    [
      'a DNS name beyond ASCII',
      requestOf({ attributes: san(derElement(0x82, Buffer.from('ä'))) }),
      /^x509: SAN dNSName is malformed$/,
    ],
    [
      'names that are none',
      requestOf({ attributes: requesting(extension('551d11', hex('0000'))) }),
      /^x509: invalid subject alternative names$/,
    ],
    [
      'one extension twice',
      requestOf({ attributes: requesting(extension('551d0f', hex('00')), extension('551d0f', hex('00'))) }),
      /^x509: certificate request contains duplicate requested extensions$/,
    ],
    ['a curve of its own', requestOf({ info: ecInfo('3003020101', Buffer.alloc(65, 4)) }), /^x509: invalid ECDSA parameters$/],
    [
      'an unknown curve',
      requestOf({ info: ecInfo('06052b8104000a', Buffer.alloc(65, 4)) }),
      /^x509: unsupported elliptic curve$/,
    ],
    [
      'a point off its curve',
      requestOf({ info: ecInfo('06082a8648ce3d030107', Buffer.alloc(65, 4)) }),
      /^x509: failed to unmarshal elliptic curve point$/,
    ],
  ];
  for (const [what, bytes, message] of refused)
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => readCertificateRequest(bytes),
        (error) => (error instanceof DerError && message.test(error.message)) || assert.fail(String(error)),
      );
    });

  it('is no request in PEM of another type, or without an end', () => {
    const bytes = requestOf({});
    const texts = [
      encodePem('CERTIFICATE', bytes),
      encodePem('CERTIFICATE REQUEST', bytes).replace('END', 'EMD'),
      '',
      base64(bytes),
    ];
    for (const text of texts) assert.throws(() => parse(text), { message: 'PEM block type must be CERTIFICATE REQUEST' });
    parse(`text before\n${encodePem('CERTIFICATE REQUEST', bytes)}text after`);
  });

  const signatures: [what: string, () => Buffer, string][] = [
    [
      'of another key',
      () =>
        signedRequest(
          derElement(tags.sequence, hex('020100'), subjectOf(), infoOf(keys.ec), derElement(0xa0)),
          generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
        ),
      'x509: ECDSA verification failure',
    ],
    [
      'of another type of key',
      () => signedRequest(derElement(tags.sequence, hex('020100'), subjectOf(), infoOf(keys.ec), derElement(0xa0)), keys.rsa),
      'x509: signature algorithm specifies an RSA public key, but have public key of type *ecdsa.PublicKey',
    ],
    [
      'of a short key',
      () => bytesOf(createCertificateRequest({ commonName: 'x' }, generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey)),
      'crypto/rsa: 512-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)',
    ],
  ];
  for (const [what, make, message] of signatures)
    it(`with a signature ${what} does not count`, () => {
      assert.throws(() => readCertificateRequest(make()).checkSignature(), { name: 'DerError', message });
    });

  it('ends as a request or an error, whatever bytes it has, flipped ones too', () => {
    const good = requestOf({
      subject: subjectOf([attribute(3, tags.utf8String, 'a')]),
      attributes: san(derElement(0x82, Buffer.from('d'))),
    });
    const attempt = (bytes: Buffer): void => {
      try {
        readCertificateRequest(bytes).checkSignature();
      } catch (error) {
        assert.ok(error instanceof DerError, String((error as Error).stack));
      }
    };
    for (let at = 0; at < good.length; at++)
      for (const byte of [0, 0x7f, 0xff]) {
        const changed = Buffer.from(good);
        changed[at] = byte;
        attempt(changed);
      }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => attempt(Buffer.from(bytes))));
  });

  it('of a megabyte takes no more than a moment, however it is made', () => {
    const repeated = (part: Buffer, times: number): Buffer => Buffer.alloc(part.length * times, part);
    const member = derElement(tags.set, attribute(10, tags.utf8String, 'g'));
    const texts: string[] = [
      '-----BEGIN '.repeat(100_000),
      '-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(30_000),
      '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE-----\n'.repeat(20_000),
      '-----END CERTIFICATE REQUEST-----\n'.repeat(30_000),
      `-----BEGIN CERTIFICATE REQUEST-----\n${'a: b\n'.repeat(200_000)}`,
      ...[
        repeated(hex('3080'), 400_000),
        derElement(tags.sequence, repeated(hex('3000'), 400_000)),
        requestOf({ subject: derElement(tags.sequence, repeated(member, 60_000)) }),
        requestOf({ attributes: derElement(0xa0, repeated(hex('3000'), 400_000)) }),
        requestOf({ attributes: san(repeated(hex('820161'), 250_000)) }),
      ].map((bytes) => encodePem('CERTIFICATE REQUEST', bytes)),
    ];
    for (const text of texts) {
      const start = cpuMs();
      try {
        parse(text).checkSignature();
      } catch (error) {
        assert.ok(error instanceof DerError, String(error));
      }
      assert.ok(cpuMs() - start < 1_500, `${text.slice(0, 60)}: ${cpuMs() - start} ms`);
    }
  });
});

describe('requests of openssl', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'csr-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const request = (...args: string[]): CertificateRequest => {
    const command = ['req', '-new', '-nodes', '-keyout', join(folder, 'key'), '-subj', '/O=g/CN=jane', ...args];
    return parse(run('openssl', command, { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
  };
  for (const args of [
    ['-newkey', 'rsa:2048'],
    ['-newkey', 'rsa:2048', '-sha512'],
    ['-newkey', 'rsa:2048', '-sha256', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32'],
    ['-newkey', 'rsa:2048', '-sha384', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:48'],
    ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha384'],
    ['-newkey', 'ed25519'],
  ])
    it(`are read and verified: ${args.join(' ')}`, () => {
      const { subject, names, checkSignature } = request(...args, '-addext', 'subjectAltName=DNS:d,IP:::1,email:e@f,URI:urn:x');
      assert.deepEqual([subject.commonName, subject.organization], ['jane', ['g']]);
      assert.deepEqual(
        [names.dnsNames, names.ipAddresses.length, names.emailAddresses, names.uris],
        [['d'], 1, ['e@f'], ['urn:x']],
      );
      checkSignature();
    });

  it('are openssl’s to read as well', () => {
    const pem = createCertificateRequest({ commonName: 'x', organizations: ['o'], names: { dnsNames: ['d.e'] } }, keys.ec);
    const shown = run('openssl', ['req', '-noout', '-text', '-verify'], {
      input: pem,
      stdio: ['pipe', 'pipe', 'pipe'],
    }).toString();
    assert.match(shown, /Subject: O ?= ?o, CN ?= ?x[\s\S]*DNS:d\.e/);
  });
});
