/** What controllers do about tokens: those in secrets of service accounts, and those with which nodes join. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type New, rfc3339 } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Secret } from '#api/types.generated.ts';
import { headerValues } from '../apiserver/authentication/header-values.ts';
import { startWorld, type World } from './cluster.testing.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const text = (value: string | undefined): string => Buffer.from(value ?? '', 'base64').toString('utf8');

describe('tokens', () => {
  let world: World;
  let serial = 0;
  let name = '';
  before(async () => {
    world = await startWorld({ rootCaPem: 'PEM' });
  });
  after(async () => await world.stop());
  beforeEach(() => {
    name = `s${serial++}`;
  });

  const secrets = () => world.client.resource('secrets');
  const gone = async (where: { namespace: string; name: string }): Promise<boolean> => {
    try {
      await secrets().get(where);
      return false;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  };
  const make = async (secret: Omit<New<Secret>, 'apiVersion' | 'kind'>): Promise<Secret> =>
    await secrets().create({ apiVersion: 'v1', kind: 'Secret', ...secret } as New<Secret>);
  const tokenSecret = (account: string) => ({
    metadata: { name, namespace: 'default', annotations: { 'kubernetes.io/service-account.name': account } },
    type: 'kubernetes.io/service-account-token',
  });
  const account = async (accountName: string, more: object = {}) =>
    await world.client
      .resource('serviceaccounts')
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: accountName, namespace: 'default' }, ...more });
  const filled = async (): Promise<Secret> =>
    await world.until('the secret has a token', async () => {
      const found = await secrets().get({ namespace: 'default', name });
      return found.data?.['token'] !== undefined && found;
    });
  /** The answer's status, to the token's bearer. */
  const status = async (token: string): Promise<number> => {
    const credentials = { certificate: undefined, headers: headerValues(['authorization', `Bearer ${token}`]) };
    const request = { method: 'GET', path: '/api/v1/namespaces/default/pods', headers: {} };
    return (await world.server.handle(request, { sender: { credentials } })).status;
  };

  it('are put into the secrets of service accounts, and end with their secret', async () => {
    await account(name);
    await make(tokenSecret(name));
    const secret = await filled();
    assert.deepEqual([text(secret.data?.['namespace']), text(secret.data?.['ca.crt'])], ['default', 'PEM']);
    assert.match(secret.metadata.annotations?.['kubernetes.io/service-account.uid'] ?? '', /^[0-9a-f-]{36}$/);
    const token = text(secret.data?.['token']);
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    assert.deepEqual(Object.keys(payload).sort(), [
      'iss',
      'kubernetes.io/serviceaccount/namespace',
      'kubernetes.io/serviceaccount/secret.name',
      'kubernetes.io/serviceaccount/service-account.name',
      'kubernetes.io/serviceaccount/service-account.uid',
      'sub',
    ]);
    // Known, and without rights.
    assert.equal(await status(token), 403);
    const used = await world.until('its use is written down', async () => {
      const found = await secrets().get({ namespace: 'default', name });
      return found.metadata.labels?.['kubernetes.io/legacy-token-last-used'] !== undefined && found;
    });
    assert.equal(
      used.metadata.labels?.['kubernetes.io/legacy-token-last-used'],
      new Date(world.clock.now()).toISOString().slice(0, 10),
    );
    await secrets().update({ ...used, data: { ...used.data, token: base64('another') } });
    assert.equal(await status(token), 401);
    await secrets().delete({ namespace: 'default', name });
    assert.equal(await status(token), 401);
  });

  it('of a service account that is not there are taken away, and those of one that goes', async () => {
    await make(tokenSecret('nobody'));
    await world.until('the secret of nobody is gone', async () => await gone({ namespace: 'default', name }));
    name = `${name}-2`;
    await account(name);
    await make(tokenSecret(name));
    await filled();
    await world.client.resource('serviceaccounts').delete({ namespace: 'default', name });
    await world.until('the secret went with its account', async () => await gone({ namespace: 'default', name }));
  });

  it('that are gone are named by no service account', async () => {
    await account(name, { secrets: [{ name }, { name: 'other' }] });
    await make(tokenSecret(name));
    await filled();
    await secrets().delete({ namespace: 'default', name });
    await world.until('the account does not name the secret', async () => {
      const { secrets: named } = await world.client.resource('serviceaccounts').get({ namespace: 'default', name });
      return named?.length === 1 && named[0]?.name === 'other';
    });
  });

  const bootstrap = async (id: string, more: Record<string, string>) =>
    await make({
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      data: Object.fromEntries(
        Object.entries({ 'token-id': id, 'token-secret': '0123456789abcdef', ...more }).map(([key, value]) => [
          key,
          base64(value),
        ]),
      ),
    });

  it('with which nodes join go when they have expired', async () => {
    await bootstrap('aaaaaa', { expiration: rfc3339(world.clock.now() + 30_000) });
    await bootstrap('bbbbbb', { expiration: 'tomorrow' });
    await bootstrap('cccccc', {});
    const isGone = async (id: string): Promise<boolean> =>
      await gone({ namespace: 'kube-system', name: `bootstrap-token-${id}` });
    await world.until('a token whose time cannot be read is gone', async () => await isGone('bbbbbb'));
    assert.equal(await isGone('aaaaaa'), false);
    await world.pass(31);
    await world.until('the token is gone', async () => await isGone('aaaaaa'));
    assert.equal(await isGone('cccccc'), false);
  });

  it('with which nodes join sign the cluster-info, while they are there', async () => {
    const where = { namespace: 'kube-public', name: 'cluster-info' };
    const maps = world.client.resource('configmaps');
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: where, data: { kubeconfig: 'content', other: 'x' } });
    await bootstrap('signer', { 'usage-bootstrap-signing': 'true' });
    await bootstrap('silent', {});
    await make({
      metadata: { name: 'bootstrap-token-liar00', namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      data: { 'token-id': base64('liar01'), 'token-secret': base64('x'), 'usage-bootstrap-signing': base64('true') },
    });
    const signature = await world.until(
      'the signature is there',
      async () => (await maps.get(where)).data?.['jws-kubeconfig-signer'],
    );
    // Made by hand, as RFC 7515 says.
    const part = (value: string): string => Buffer.from(value).toString('base64url');
    const header = part('{"alg":"HS256","kid":"signer"}');
    const mac = createHmac('sha256', '0123456789abcdef')
      .update(`${header}.${part('content')}`)
      .digest('base64url');
    assert.equal(signature, `${header}..${mac}`);
    assert.deepEqual(Object.keys((await maps.get(where)).data ?? {}).sort(), ['jws-kubeconfig-signer', 'kubeconfig', 'other']);
    const found = await maps.get(where);
    await maps.update({ ...found, data: { ...found.data, kubeconfig: 'changed' } });
    await world.until(
      'what has changed is signed anew',
      async () => (await maps.get(where)).data?.['jws-kubeconfig-signer'] !== signature,
    );
    await secrets().delete({ namespace: 'kube-system', name: 'bootstrap-token-signer' });
    await world.until('the signature is gone', async () => (await maps.get(where)).data?.['jws-kubeconfig-signer'] === undefined);
  });
});
