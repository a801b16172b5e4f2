/** Services of clusters with one IP family or with both, over the API server. Source: upstream `pkg/registry/core/service/storage/alloc.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Service, ServiceSpec } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../../../api-server.testing.ts';
import { apiServerIpOf, parseServiceCidrs } from './cluster-ips.ts';

const path = '/api/v1/namespaces/default/services';
const merge = { 'content-type': 'application/merge-patch+json' };

function client(api: () => TestServer) {
  let made = 0;
  const body = (spec: Partial<ServiceSpec>): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `web-${made++}` },
    spec: { ports: [{ port: 80 }], selector: { a: 'b' }, ...spec },
  });
  return {
    async create(spec: Partial<ServiceSpec>, query = ''): Promise<Service> {
      const { status, json, text } = await api().request('POST', path + query, body(spec));
      assert.equal(status, 201, text);
      return json as unknown as Service;
    },
    async refused(spec: Partial<ServiceSpec>): Promise<string> {
      const { status, json } = await api().request('POST', path, body(spec));
      assert.equal(status, 422);
      return json.message.replace(/^Service "web-\d+" is invalid: /, '');
    },
    async patch({ metadata: { name } }: Service, spec: object): Promise<Service | string> {
      const { status, json } = await api().request('PATCH', `${path}/${name}`, { spec }, merge);
      return status === 200 ? (json as unknown as Service) : json.message.replace(/^Service "web-\d+" is invalid: /, '');
    },
    async addresses(): Promise<[name: string, family: string | undefined][]> {
      const { json } = await api().request('GET', '/apis/networking.k8s.io/v1/ipaddresses');
      return json.items.map(({ metadata }) => [metadata.name, metadata.labels?.['ipaddress.kubernetes.io/ip-family']]);
    },
  };
}

const families = ({ spec }: Service): string =>
  `${spec.ipFamilyPolicy} ${spec.ipFamilies?.join()} ${spec.clusterIPs?.map(shortOf).join()}`;
const shortOf = (ip: string): string =>
  ip === 'None' ? ip : ip.startsWith('10.96.') ? 'four' : ip.startsWith('fd00:10:96::') ? 'six' : ip;

describe('services of a cluster with IPv4 and IPv6', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({ ranges: { serviceCidr: '10.96.0.0/16,fd00:10:96::/108' } });
  });
  after(() => api.stop());
  const { create, refused, patch, addresses } = client(() => api);

  const made: [what: string, spec: Partial<ServiceSpec>, expected: string][] = [
    ['nothing', {}, 'SingleStack IPv4 four'],
    ['the other family', { ipFamilies: ['IPv6'] }, 'SingleStack IPv6 six'],
    ['both, if there are', { ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6 four,six'],
    [
      'both, the other one first',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
      'RequireDualStack IPv6,IPv4 six,four',
    ],
    ['an address of the other family', { clusterIP: 'fd00:10:96::7' }, 'SingleStack IPv6 six'],
    [
      'both, one by its address',
      { ipFamilyPolicy: 'PreferDualStack', clusterIPs: ['fd00:10:96::8'], clusterIP: 'fd00:10:96::8' },
      'PreferDualStack IPv6,IPv4 six,four',
    ],
    ['no address, with a selector', { clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6 None'],
    ['no address, without a selector', { clusterIP: 'None', selector: {} }, 'RequireDualStack IPv4,IPv6 None'],
  ];
  for (const [what, spec, expected] of made)
    it(`get what they ask for: ${what}`, async () => assert.equal(families(await create(spec)), expected));

  it('hold an IPAddress of each family, under its canonical text', async () => {
    const { spec } = await create({
      ipFamilyPolicy: 'RequireDualStack',
      clusterIPs: ['10.96.3.3', 'fd00:10:96::3:3'],
      clusterIP: '10.96.3.3',
    });
    assert.deepEqual(spec.clusterIPs, ['10.96.3.3', 'fd00:10:96::3:3']);
    const held = await addresses();
    assert.ok(held.some(([name, family]) => name === '10.96.3.3' && family === 'IPv4'));
    assert.ok(held.some(([name, family]) => name === 'fd00:10:96::3:3' && family === 'IPv6'));
    assert.match(
      await refused({ clusterIP: 'fd00:10:96::3:3' }),
      /^spec\.clusterIPs: Invalid value: \["fd00:10:96::3:3"\]: failed to allocate IP fd00:10:96::3:3: provided IP is already allocated$/,
    );
  });

  it('get and give back the second address as their policy changes', async () => {
    const single = await create({});
    const both = (await patch(single, { ipFamilyPolicy: 'PreferDualStack' })) as Service;
    assert.equal(families(both), 'PreferDualStack IPv4,IPv6 four,six');
    assert.equal(both.spec.clusterIPs?.[0], single.spec.clusterIP);
    const second = both.spec.clusterIPs?.[1] ?? '';
    assert.ok((await addresses()).some(([name]) => name === second));
    assert.equal(
      await patch(both, { ipFamilies: ['IPv4'], clusterIPs: [single.spec.clusterIP] }),
      `[spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary clusterIP, spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary ipFamily]`,
    );
    const again = (await patch(both, { ipFamilyPolicy: 'SingleStack' })) as Service;
    assert.equal(families(again), 'SingleStack IPv4 four');
    assert.ok(!(await addresses()).some(([name]) => name === second));
  });

  it('give both back when they go, and get none on a dry run', async () => {
    const tried = await create({ ipFamilyPolicy: 'RequireDualStack' }, '?dryRun=All');
    assert.deepEqual(tried.spec.clusterIPs, ['10.96.0.0', 'fd00:10:96::']);
    const service = await create({ ipFamilyPolicy: 'RequireDualStack' });
    assert.equal((await api.request('DELETE', `${path}/${service.metadata.name}`)).status, 200);
    const held = new Set((await addresses()).map(([name]) => name));
    for (const ip of service.spec.clusterIPs ?? []) assert.ok(!held.has(ip));
  });

  it('are refused what makes no sense', async () => {
    assert.equal(
      await refused({ ipFamilies: ['IPv4', 'IPv6'] }),
      `spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`,
    );
    assert.match(await refused({ clusterIP: 'fd00:99::1' }), /the provided network does not match the current range/);
    assert.match(
      await refused({ ipFamilies: ['IPv4'], clusterIP: 'fd00:10:96::9' }),
      /spec\.clusterIPs\[0\]: Invalid value: "fd00:10:96::9": expected an IPv4 value as indicated by `ipFamilies\[0\]`/,
    );
  });
});

describe('services of a cluster with one family', () => {
  for (const [cidr, own, other] of [
    ['10.96.0.0/16', 'IPv4', 'IPv6'],
    ['fd00:10:96::/108', 'IPv6', 'IPv4'],
  ] as const)
    describe(own, () => {
      let api: TestServer;
      before(async () => {
        api = await startTestServer({ ranges: { serviceCidr: cidr } });
      });
      after(() => api.stop());
      const { create, refused, patch } = client(() => api);

      it('get that one, and keep preferring two', async () => {
        const service = await create({ ipFamilyPolicy: 'PreferDualStack' });
        assert.equal(families(service), `PreferDualStack ${own} ${own === 'IPv4' ? 'four' : 'six'}`);
        const changed = await patch(service, { selector: { c: 'd' } });
        assert.notEqual(typeof changed, 'string');
      });

      it('get neither the other one nor both', async () => {
        assert.equal(
          await refused({ ipFamilies: [other] }),
          `spec.ipFamilies[0]: Invalid value: "${other}": not configured on this cluster`,
        );
        assert.equal(
          await refused({ ipFamilyPolicy: 'RequireDualStack' }),
          'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
        );
        const ip = other === 'IPv4' ? '10.0.0.1' : 'fd01::1';
        assert.equal(
          await refused({ clusterIP: ip }),
          `spec.clusterIPs[0]: Invalid value: ["${ip}"]: ${other} is not configured on this cluster`,
        );
      });
    });
});

describe('ranges of cluster IPs', () => {
  it('begin with the address of the API server, of the first one', () => {
    assert.equal(apiServerIpOf('10.96.0.0/16,fd00::/108'), '10.96.0.1');
    assert.equal(apiServerIpOf('fd00:10::/64,10.96.0.0/16'), 'fd00:10::1');
  });
  for (const text of ['10.96.0.0/31', 'fd00::/63', 'x', '10.0.0.0/16,10.1.0.0/16', '10.0.0.0/16,fd00::/64,fd01::/64'])
    it(`are refused: ${text}`, () => {
      assert.throws(() => parseServiceCidrs(text), /service CIDRs? "/);
    });

  it('of 2^64 addresses give out any that is asked for, and low ones unasked', async () => {
    const api = await startTestServer({ ranges: { serviceCidr: 'fd00:10::/64' } });
    try {
      const { create } = client(() => api);
      assert.equal((await create({ clusterIP: 'fd00:10::ffff:ffff:ffff:ffff' })).spec.clusterIP, 'fd00:10::ffff:ffff:ffff:ffff');
      assert.match((await create({})).spec.clusterIP ?? '', /^fd00:10::/);
    } finally {
      await api.stop();
    }
  });
});
