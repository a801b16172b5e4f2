import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { testNode } from './netns/network.testing.ts';
import { podRanges } from './pod-ranges.ts';

const network = { clusterCidrs: ['10.244.0.0/16'], hostAddresses: ['192.168.0.1', '192.168.0.254', '10.244.200.1'] };
const self = testNode('self', '10.244.0.0/24', '192.168.0.1');
const good = testNode('good', '10.244.1.0/24', '192.168.0.2');
const aged = (node: Node, creationTimestamp: string): Node => ({ ...node, metadata: { ...node.metadata, creationTimestamp } });

describe('podRanges', () => {
  const left: [what: string, bad: Node, reason: RegExp][] = [
    ['a range outside the cluster’s', testNode('bad', '192.168.0.0/24', '192.168.0.3'), /not within the cluster/],
    ['everything', testNode('bad', '0.0.0.0/0', '192.168.0.3'), /not within the cluster/],
    ['all of the cluster', testNode('bad', '10.244.0.0/16', '192.168.0.3'), /10\.244\.200\.1|overlaps/],
    ['a range with an address of this host', testNode('bad', '10.244.200.0/24', '192.168.0.3'), /no pod's address/],
    ['this node’s own range', testNode('bad', '10.244.0.0/25', '192.168.0.3'), /overlaps with 10\.244\.0\.0\/24 of node self/],
    ['another node’s range', testNode('zbad', '10.244.1.128/25', '192.168.0.3'), /overlaps with 10\.244\.1\.0\/24 of node good/],
    ['host bits', testNode('bad', '10.244.9.7/24', '192.168.0.3'), /no range of addresses/],
    ['text', testNode('bad', '10.244.9.0/24 dev lo', '192.168.0.3'), /no range of addresses/],
    ['an option', testNode('bad', '-batch', '192.168.0.3'), /no range of addresses/],
    ['a gateway of its own', testNode('bad', '10.244.9.0/24', '192.168.0.1'), /this node's own/],
    ['a gateway among pods', testNode('bad', '10.244.9.0/24', '10.244.1.5'), /a pod's address/],
    ['a loopback gateway', testNode('bad', '10.244.9.0/24', '127.0.0.1'), /no address of a node/],
    ['a multicast gateway', testNode('bad', '10.244.9.0/24', '224.0.0.5'), /no address of a node/],
    ['a number', { metadata: { name: 'bad' }, spec: { podCIDRs: [7] } } as unknown as Node, /no range/],
  ];
  for (const [what, bad, reason] of left) {
    it(`leaves out a node with ${what}, and reports it`, () => {
      const found = podRanges([bad, good, self], 'self', network);
      assert.deepEqual(
        [found.own, found.others],
        [['10.244.0.0/24'], [{ destination: '10.244.1.0/24', gateway: '192.168.0.2' }]],
      );
      assert.match(found.leftOut.map((one) => one.reason).join('\n'), reason);
    });
  }

  it('skips an address that is no IP address without a report: it may be a DNS name', () => {
    const found = podRanges([testNode('bad', '10.244.9.0/24', '300.1.1.1'), self], 'self', network);
    assert.deepEqual(found, { own: ['10.244.0.0/24'], others: [], nodeAddresses: new Map(), leftOut: [] });
  });

  it('gives a range claimed twice to the older node, then to the first by name', () => {
    const older = aged(testNode('z', '10.244.2.0/24', '192.168.0.7'), '2026-01-01T00:00:00Z');
    const newer = aged(testNode('a', '10.244.2.0/24', '192.168.0.8'), '2026-02-01T00:00:00Z');
    for (const order of [
      [older, newer],
      [newer, older],
    ])
      assert.deepEqual(
        podRanges(order, 'self', network).others.map(({ gateway }) => gateway),
        ['192.168.0.7'],
      );
  });

  it('needs no time that grows with the square of the nodes', () => {
    const nodes = Array.from({ length: 5000 }, (_, at) =>
      testNode(`n${at}`, `10.${at >> 8}.${at & 255}.0/24`, `172.16.${at >> 8}.${at & 255}`),
    );
    const startMs = cpuMs();
    const found = podRanges(nodes, 'n0', { clusterCidrs: ['10.0.0.0/8'], hostAddresses: [] });
    assert.ok(cpuMs() - startMs < 1000, `${cpuMs() - startMs} ms`);
    assert.equal(found.others.length, 4999);
  });

  it('leaves out its own range when it is outside of the cluster CIDR', () => {
    const found = podRanges([testNode('self', '192.168.0.0/16', '192.168.0.1'), good], 'self', network);
    assert.deepEqual([found.own, found.others.length], [[], 1]);
  });
});
