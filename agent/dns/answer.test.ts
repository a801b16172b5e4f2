import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer, RecordType } from 'dns-packet';
import { answer, type Resolution } from './answer.ts';
import { service, slice, testCluster } from './objects.testing.ts';

const zone = { clusterDomain: 'cluster.local', ttlSeconds: 30, serverIps: ['10.0.0.10'] };

/** A record as dig prints it, but without the class. */
function line({ name, type, ...rest }: Answer): string {
  const { ttl, data } = rest as {
    ttl: number;
    data: string | { priority: number; weight: number; port: number; target: string };
  };
  const text =
    typeof data === 'string'
      ? data
      : type === 'SRV' && 'weight' in data
        ? `${data.priority} ${data.weight} ${data.port} ${data.target}`
        : '…';
  return `${name} ${ttl} ${type} ${text}`;
}

function show(found: Resolution): unknown {
  if (found.kind === 'forward') return 'forward';
  if (found.kind === 'alias') return { forwardTo: found.target, answers: found.answers.map(line) };
  const { rcode, answers, additionals, authorities } = found;
  return {
    rcode,
    answers: answers.map(line),
    ...(additionals.length > 0 && { extra: additionals.map(line) }),
    soa: authorities.length > 0,
  };
}

const ok = (...answers: string[]) => ({ rcode: 'NOERROR', answers, soa: false });
const withExtra = (answers: string[], extra: string[]) => ({ rcode: 'NOERROR', answers, extra, soa: false });
const noData = { rcode: 'NOERROR', answers: [], soa: true };
const nxDomain = { rcode: 'NXDOMAIN', answers: [], soa: true };
const t = 'testns.svc.cluster.local';

const cases: [name: string, type: RecordType, expected: unknown][] = [
  // ClusterIP
  [`web.${t}`, 'A', ok(`web.${t} 30 A 10.0.0.1`)],
  [`WeB.TestNS.svc.Cluster.LOCAL`, 'A', ok('WeB.TestNS.svc.Cluster.LOCAL 30 A 10.0.0.1')],
  [`web.${t}`, 'AAAA', noData],
  [`web.${t}`, 'MX', noData],
  [`web.${t}`, 'SOA', noData],
  [`dual.${t}`, 'AAAA', ok(`dual.${t} 30 AAAA fd00::3`)],
  [`nobody.${t}`, 'A', nxDomain],
  ['web.nowhere.svc.cluster.local', 'A', nxDomain],
  [`10-244-0-5.web.${t}`, 'A', ok(`10-244-0-5.web.${t} 30 A 10.244.0.5`)],
  // SRV
  [`_http._tcp.web.${t}`, 'SRV', withExtra([`_http._tcp.web.${t} 30 SRV 0 100 80 web.${t}`], [`web.${t} 30 A 10.0.0.1`])],
  [`_http._udp.web.${t}`, 'SRV', nxDomain],
  [`_ftp._tcp.web.${t}`, 'SRV', nxDomain],
  [`_dns._udp.dns.${t}`, 'SRV', withExtra([`_dns._udp.dns.${t} 30 SRV 0 100 53 dns.${t}`], [`dns.${t} 30 A 10.0.0.10`])],
  [
    `web.${t}`,
    'SRV',
    withExtra([`web.${t} 30 SRV 0 50 80 web.${t}`, `web.${t} 30 SRV 0 50 9090 web.${t}`], [`web.${t} 30 A 10.0.0.1`]),
  ],
  [
    `_http._tcp.dual.${t}`,
    'SRV',
    withExtra([`_http._tcp.dual.${t} 30 SRV 0 50 80 dual.${t}`], [`dual.${t} 30 A 10.0.0.3`, `dual.${t} 30 AAAA fd00::3`]),
  ],
  // headless
  [`pets.${t}`, 'A', ok(`pets.${t} 30 A 10.244.0.6`, `pets.${t} 30 A 10.244.0.7`)],
  [`pets.${t}`, 'AAAA', ok(`pets.${t} 30 AAAA fd00:1::9`)],
  [`pets-0.pets.${t}`, 'A', ok(`pets-0.pets.${t} 30 A 10.244.0.6`)],
  [`10-244-0-7.pets.${t}`, 'A', ok(`10-244-0-7.pets.${t} 30 A 10.244.0.7`)],
  [`10-244-0-8.pets.${t}`, 'A', nxDomain],
  [
    `_http._tcp.pets.${t}`,
    'SRV',
    withExtra(
      ['pets-0', '10-244-0-7', 'fd00-1--9'].map((host) => `_http._tcp.pets.${t} 30 SRV 0 33 80 ${host}.pets.${t}`),
      [`pets-0.pets.${t} 30 A 10.244.0.6`, `10-244-0-7.pets.${t} 30 A 10.244.0.7`, `fd00-1--9.pets.${t} 30 AAAA fd00:1::9`],
    ),
  ],
  [`unready.${t}`, 'A', nxDomain],
  [`portless.${t}`, 'A', ok(`portless.${t} 30 A 10.244.0.20`)],
  // ExternalName
  [`outside.${t}`, 'CNAME', ok(`outside.${t} 30 CNAME www.example.test`)],
  [`outside.${t}`, 'A', { forwardTo: 'www.example.test', answers: [`outside.${t} 30 CNAME www.example.test`] }],
  [`outside.${t}`, 'SRV', noData],
  [`inside.${t}`, 'A', ok(`inside.${t} 30 CNAME web.${t}`, `web.${t} 30 A 10.0.0.1`)],
  [`x.outside.${t}`, 'A', nxDomain],
  [`numeric.${t}`, 'A', nxDomain],
  // pods
  ['10-244-0-5.testns.pod.cluster.local', 'A', ok('10-244-0-5.testns.pod.cluster.local 30 A 10.244.0.5')],
  ['fd00-1--9.testns.pod.cluster.local', 'AAAA', ok('fd00-1--9.testns.pod.cluster.local 30 AAAA fd00:1::9')],
  ['fd00-1--9.testns.pod.cluster.local', 'A', noData],
  ['web.testns.pod.cluster.local', 'A', nxDomain],
  ['10-244-0-5.nowhere.pod.cluster.local', 'A', nxDomain],
  // PTR
  ['1.0.0.10.in-addr.arpa', 'PTR', ok(`1.0.0.10.in-addr.arpa 30 PTR web.${t}`)],
  ['6.0.244.10.IN-ADDR.arpa', 'PTR', ok(`6.0.244.10.IN-ADDR.arpa 30 PTR pets-0.pets.${t}`)],
  [
    '9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa'.replace('1.0.0.0.0.0.d.f', '1.0.0.0.0.0.d.f'),
    'PTR',
    ok(`9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa 30 PTR fd00-1--9.pets.${t}`),
  ],
  ['8.0.244.10.in-addr.arpa', 'PTR', 'forward'],
  ['9.9.9.300.in-addr.arpa', 'PTR', 'forward'],
  // the zone itself
  ['dns-version.cluster.local', 'TXT', ok('dns-version.cluster.local 28800 TXT 1.1.0')],
  ['cluster.local', 'NS', withExtra(['cluster.local 30 NS ns.dns.cluster.local'], ['ns.dns.cluster.local 30 A 10.0.0.10'])],
  ['cluster.local', 'SOA', ok('cluster.local 30 SOA …')],
  ['cluster.local', 'A', noData],
  ['ns.dns.cluster.local', 'A', ok('ns.dns.cluster.local 30 A 10.0.0.10')],
  ['svc.cluster.local', 'A', noData],
  ['testns.svc.cluster.local', 'A', noData],
  ['empty.svc.cluster.local', 'NS', noData],
  ['nowhere.svc.cluster.local', 'A', nxDomain],
  ['foo.cluster.local', 'NS', nxDomain],
  [`a.b.c.web.${t}`, 'A', nxDomain],
  // names outside the cluster
  ['example.com', 'A', 'forward'],
  ['notcluster.local', 'A', 'forward'],
  ['local', 'A', 'forward'],
];

describe('answers', () => {
  const names = testCluster().names();
  for (const [name, type, expected] of cases) {
    it(`${name} ${type}`, () => assert.deepEqual(show(answer({ name, type }, names, zone)), expected));
  }

  it('answers SERVFAIL, not NXDOMAIN, when CNAMEs go in a loop', () => {
    const found = answer({ name: `circle.${t}`, type: 'A' }, names, zone);
    assert.ok(found.kind === 'reply' && found.rcode === 'SERVFAIL');
  });

  it('answers SERVFAIL, not NXDOMAIN, while the API has not been read', () => {
    const unread = Object.create(names, { complete: { value: false } });
    assert.deepEqual(show(answer({ name: `web.${t}`, type: 'A' }, unread, zone)), { rcode: 'SERVFAIL', answers: [], soa: false });
  });

  it('gives the time to cache NXDOMAIN in the SOA record', () => {
    const found = answer({ name: `nobody.${t}`, type: 'A' }, names, zone);
    assert.deepEqual(found.kind === 'reply' && found.authorities, [
      {
        name: 'cluster.local',
        type: 'SOA',
        ttl: 30,
        data: {
          mname: 'ns.dns.cluster.local',
          rname: 'hostmaster.cluster.local',
          serial: 1_767_225_600,
          refresh: 7_200,
          retry: 1_800,
          expire: 86_400,
          minimum: 30,
        },
      },
    ]);
  });

  it('follows changes: moved, unready and deleted endpoints and services', () => {
    const cluster = testCluster();
    const current = cluster.names();
    const ask = (name: string, type: RecordType): unknown => show(answer({ name, type }, current, zone));
    cluster.endpointSlices.put(
      slice('testns/pets', [{ name: 'http', protocol: 'TCP', port: 80 }], [{ addresses: ['10.244.0.99'] }]),
    );
    assert.deepEqual(ask(`pets.${t}`, 'A'), ok(`pets.${t} 30 A 10.244.0.99`));
    assert.equal(ask('6.0.244.10.in-addr.arpa', 'PTR'), 'forward');
    cluster.services.remove(service('testns/web', {}));
    assert.deepEqual(ask(`web.${t}`, 'A'), nxDomain);
    assert.equal(ask('1.0.0.10.in-addr.arpa', 'PTR'), 'forward');
  });
});
