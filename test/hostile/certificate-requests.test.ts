/** Requests for certificates that are made to hold whoever reads them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encodePem } from '#api/x509/pem.ts';
import { type ApiServerProcess, startApiServerProcess } from './api-server.ts';

const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
/** A turn of the event loop, in CPU time. Far beyond what any takes, and far below what a reader takes that is not linear. */
const maxTurnMs = 1_500;

const texts: [what: string, text: string][] = [
  ['beginnings without an end', '-----BEGIN '.repeat(90_000)],
  ['ends without a beginning', '-----END CERTIFICATE REQUEST-----\n'.repeat(30_000)],
  ['blocks of two types', '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE-----\n'.repeat(16_000)],
  ['headers', `-----BEGIN CERTIFICATE REQUEST-----\n${'a: b\n'.repeat(190_000)}`],
  ['elements in elements', encodePem('CERTIFICATE REQUEST', Buffer.alloc(700_000, Buffer.from([0x30, 0x80])))],
  [
    'many elements',
    encodePem(
      'CERTIFICATE REQUEST',
      Buffer.concat([Buffer.from([0x30, 0x83, 0x0a, 0xae, 0x60]), Buffer.alloc(700_000, Buffer.from([0x30, 0]))]),
    ),
  ],
];

describe('requests for certificates of a megabyte', () => {
  let server: ApiServerProcess;
  before(async () => {
    server = await startApiServerProcess();
  });
  after(() => server.stop());

  for (const [what, text] of texts)
    for (const signerName of ['example.com/s', 'kubernetes.io/kube-apiserver-client'])
      it(`made of ${what}, to ${signerName}, are refused, and others are served`, async () => {
        const spec = { request: Buffer.from(text).toString('base64'), signerName, usages: ['client auth'] };
        const body = JSON.stringify({
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name: 'x' },
          spec,
        });
        await server.report();
        const answer = await server.call('POST', path, body, { 'content-type': 'application/json' });
        assert.equal(answer.status, 422, answer.text.slice(0, 300));
        assert.match(answer.text, /spec\.request/);
        const { longestMs } = await server.report();
        assert.ok(longestMs < maxTurnMs, `${longestMs} ms`);
        assert.equal((await server.call('GET', '/version')).status, 200);
      });
});
