import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service, ServiceSpec } from '#api/types.generated.ts';
import { systemMeta, texts } from '../../strategy.testing.ts';
import { validateService, validateServiceStatus } from './validation.ts';

const service = (annotations: Record<string, string>, spec: Partial<ServiceSpec> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...systemMeta('web', 'default'), resourceVersion: '7', annotations },
  spec: {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    ...spec,
  },
});
const balanced: Partial<ServiceSpec> = {
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Cluster',
  allocateLoadBalancerNodePorts: true,
};
const ranges = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const cidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

describe('annotations of Services', () => {
  const mode = 'service.kubernetes.io/topology-mode';
  const hints = 'service.kubernetes.io/topology-aware-hints';
  const cases: [what: string, service: Service, errors: string[]][] = [
    ['one name of the topology', service({ [mode]: 'Auto' }), []],
    ['both names with one value', service({ [mode]: 'Auto', [hints]: 'Auto' }), []],
    [
      'both names with two values',
      service({ [mode]: 'Auto', [hints]: 'Disabled' }),
      [`metadata.annotations[${mode}]: Invalid value: "Auto": must match annotations[${hints}] when both are specified`],
    ],
    ['source ranges', service({ [ranges]: ' 10.0.0.0/8, fd00::/64 ' }, balanced), []],
    ['no source ranges', service({ [ranges]: ' ' }, balanced), []],
    [
      'source ranges that are none',
      service({ [ranges]: '10.0.0.0/8,x' }, balanced),
      [`metadata.annotations[${ranges}]: Invalid value: "x": ${cidr}`],
    ],
    [
      'source ranges of another type',
      service({ [ranges]: '10.0.0.0/8' }),
      [`metadata.annotations[${ranges}]: Forbidden: may only be used when \`type\` is 'LoadBalancer'`],
    ],
    ['source ranges beside the field', service({ [ranges]: 'x' }, { ...balanced, loadBalancerSourceRanges: ['10.0.0.0/8'] }), []],
    [
      'an internal policy that is empty',
      service({}, { internalTrafficPolicy: '' }),
      ['spec.internalTrafficPolicy: Unsupported value: "": supported values: "Cluster", "Local"'],
    ],
  ];
  for (const [what, one, errors] of cases) it(what, () => assert.deepEqual(texts(validateService(one, undefined)), errors));

  it('source ranges that were wrong before may stay', () => {
    const old = service({ [ranges]: 'x' }, balanced);
    assert.deepEqual(texts(validateService(old, old)), []);
    assert.equal(validateService(service({ [ranges]: 'y' }, balanced), old).length, 1);
  });
});

describe('a load balancer’s status', () => {
  const cases: [ingress: object, errors: string[]][] = [
    [{ ip: '192.0.2.1', ipMode: 'VIP' }, []],
    [{ ip: '192.0.2.1' }, ['ipMode: Required value: must be specified when `ip` is set']],
    [{ ip: '192.0.2.1', ipMode: '' }, ['ipMode: Unsupported value: "": supported values: "Proxy", "VIP"']],
    [{ hostname: 'a.example' }, []],
    [{ hostname: '192.0.2.1' }, ['hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP address']],
    [{ hostname: '192.0.02.1' }, ['hostname: Invalid value: "192.0.02.1": must be a DNS name, not an IP address']],
  ];
  for (const [ingress, errors] of cases)
    it(JSON.stringify(ingress), () => {
      const old = service({}, balanced);
      const now = { ...old, status: { loadBalancer: { ingress: [ingress] } } } as Service;
      assert.deepEqual(
        texts(validateServiceStatus(now, old)),
        errors.map((error) => `status.loadBalancer.ingress[0].${error}`),
      );
    });
});
