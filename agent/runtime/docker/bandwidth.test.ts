import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { podBandwidth } from './bandwidth.ts';

const ingress = (text: string): Record<string, string> => ({ 'kubernetes.io/ingress-bandwidth': text });

describe('the bandwidth of a pod', () => {
  it('is read from its annotations, in bits per second', () => {
    assert.deepEqual(podBandwidth({ ...ingress('10M'), 'kubernetes.io/egress-bandwidth': '1.5k' }), {
      ingressRate: 10_000_000,
      ingressBurst: 4_294_967_295,
      egressRate: 1_500,
      egressBurst: 4_294_967_295,
    });
    assert.deepEqual(podBandwidth(ingress('1Ki')), { ingressRate: 1024, ingressBurst: 4_294_967_295 });
    assert.equal(podBandwidth({ other: 'x' }), undefined);
    assert.equal(podBandwidth(undefined), undefined);
  });

  for (const [text, message] of [
    ['1', /unreasonably small/],
    ['2P', /unreasonably large/],
    ['fast', /quantities must match/],
    ['', /quantities must match/],
  ] as const)
    it(`of ${JSON.stringify(text)} is refused`, () => assert.throws(() => podBandwidth(ingress(text)), message));
});
