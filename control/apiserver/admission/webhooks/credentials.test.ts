import assert from 'node:assert/strict';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { testContext } from '../../kinds/strategy.testing.ts';
import { credentialsFor } from '../config/webhook-credentials.ts';
import { WebhookCaller } from './webhook-call.ts';

describe('webhooks with credentials', () => {
  let ca: KeyPair;
  let client: KeyPair;
  let server: https.Server;
  before(async () => {
    const now = Date.now();
    ca = await createAuthority(now);
    const serving = await issueCertificate(ca, { commonName: 'localhost', usage: 'server', dnsNames: ['localhost'] }, now);
    client = await issueCertificate(ca, { commonName: 'me', usage: 'client' }, now);
    const options = {
      key: serving.key,
      cert: serving.certificate,
      ca: ca.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    };
    server = https.createServer(options, (request, response) => {
      const peer = (request.socket as TLSSocket).getPeerCertificate();
      response.end(JSON.stringify([request.headers.authorization ?? '', peer.subject?.CN ?? '']));
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  async function seen(users: [name: string, user: { token?: string; cert?: string; key?: string }][]): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const named = users.map(([name, user]) => [name.replace('PORT', String(port)), user] as const);
    const caller = new WebhookCaller(() => 0, credentialsFor(new Map(named)));
    const config = { url: `https://localhost:${port}/`, caBundle: Buffer.from(ca.certificate).toString('base64') };
    try {
      return JSON.parse(await caller.post(config, '{}', 5000, testContext({})));
    } finally {
      caller.close();
    }
  }

  it('are called with the token or the certificate of their user, or as nobody', async () => {
    assert.deepEqual(await seen([['localhost:PORT', { token: 'secret' }]]), ['Bearer secret', '']);
    assert.deepEqual(await seen([['*', { cert: client.certificate, key: client.key }]]), ['', 'me']);
    assert.deepEqual(await seen([['elsewhere', { token: 'secret' }]]), ['', '']);
  });
});
