import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec } from '#api/types.generated.ts';
import { aPod } from '../pods.testing.ts';
import { parseResolvConf, podDns } from './dns.ts';
import { hostNetworkHostsFile, podHostname, podHostsFile } from './hostname.ts';

const host = { servers: ['8.8.8.8'], searches: ['corp.example'], options: ['timeout:1'] };
const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' };
const clusterSearches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example'];

describe('resolv.conf of a pod', () => {
  const cases: [string, Partial<PodSpec>, object][] = [
    ['ClusterFirst', { dnsPolicy: 'ClusterFirst' }, { servers: ['10.96.0.10'], searches: clusterSearches, options: ['ndots:5'] }],
    ['Default', { dnsPolicy: 'Default' }, host],
    ['ClusterFirst on the host network', { dnsPolicy: 'ClusterFirst', hostNetwork: true }, host],
    [
      'ClusterFirstWithHostNet',
      { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true },
      { servers: ['10.96.0.10'], searches: clusterSearches, options: ['ndots:5'] },
    ],
    [
      'None with its own',
      {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['1.1.1.1'], searches: ['x'], options: [{ name: 'ndots', value: '2' }, { name: 'debug' }] },
      },
      { servers: ['1.1.1.1'], searches: ['x'], options: ['ndots:2', 'debug'] },
    ],
    [
      'options over the policy’s',
      { dnsConfig: { options: [{ name: 'ndots', value: '1' }] } },
      { servers: ['10.96.0.10'], searches: clusterSearches, options: ['ndots:1'] },
    ],
  ];
  for (const [name, spec, expected] of cases)
    it(`follows ${name}`, () => assert.deepEqual(podDns(aPod(spec), host, cluster).config, expected));

  it('has at most three nameservers, and says so', () => {
    const dns = podDns(
      aPod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'] } }),
      host,
      cluster,
    );
    assert.deepEqual(dns.config.servers, ['1.1.1.1', '2.2.2.2', '3.3.3.3']);
    assert.match(dns.warning ?? '', /^Nameserver limits were exceeded, .* is: 1\.1\.1\.1 2\.2\.2\.2 3\.3\.3\.3$/);
  });
  it('is read as resolv.conf(5) says', () => {
    const text = '# c\nnameserver 1.1.1.1 ; x\nsearch a b.\nsearch c\noptions ndots:2 rotate\n';
    assert.deepEqual(parseResolvConf(text), { servers: ['1.1.1.1'], searches: ['c'], options: ['ndots:2', 'rotate'] });
  });
});

describe('host name of a pod', () => {
  const cases: [string, Partial<PodSpec>, string, string][] = [
    ['is its own name', {}, 'web', ''],
    ['or the spec’s', { hostname: 'h' }, 'h', ''],
    ['with a domain below its subdomain', { hostname: 'h', subdomain: 's' }, 'h', 's.shop.svc.cluster.local'],
    [
      'whole where asked for',
      { subdomain: 's', setHostnameAsFQDN: true },
      'web.s.shop.svc.cluster.local',
      's.shop.svc.cluster.local',
    ],
    ['or the override, without domain', { subdomain: 's', hostnameOverride: 'a.b' }, 'a.b', ''],
  ];
  for (const [name, spec, hostname, domain] of cases) {
    it(name, () => {
      const made = podHostname(aPod(spec), 'cluster.local');
      assert.deepEqual([made.hostname, made.domain], [hostname, domain]);
    });
  }
  it('is cut to 63 characters that do not end in a dash', () => {
    const name = `${'a'.repeat(62)}-${'b'.repeat(10)}`;
    assert.equal(podHostname(aPod({}, { metadata: { name } }), 'x').hostname, 'a'.repeat(62));
  });
});

describe('hosts file of a pod', () => {
  it('names the pod and its aliases', () => {
    const pod = aPod({ hostname: 'h', subdomain: 's', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] });
    const text = podHostsFile(pod, podHostname(pod, 'cluster.local'), ['10.0.0.9']);
    assert.ok(text.startsWith('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n'));
    assert.ok(text.endsWith('10.0.0.9\th.s.shop.svc.cluster.local\th\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n'), text);
  });
  it('is the node’s on the host network', () => {
    assert.equal(
      hostNetworkHostsFile(aPod(), '127.0.0.1 me\n'),
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n',
    );
  });
});
