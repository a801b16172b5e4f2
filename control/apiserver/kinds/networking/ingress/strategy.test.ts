import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HTTPIngressPath, Ingress, IngressBackend, IngressSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { ingressKind } from './strategy.ts';

const { strategy } = ingressKind;
const backend: IngressBackend = { service: { name: 'web', port: { number: 80 } } };
const ingress = (spec: IngressSpec, annotations?: Record<string, string>): Ingress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { ...systemMeta('web', 'ns'), ...(annotations === undefined ? {} : { annotations }) },
  spec,
});
const paths = (...all: HTTPIngressPath[]): IngressSpec => ({ rules: [{ http: { paths: all } }] });
const simple = paths({ path: '/', pathType: 'Prefix', backend });
const at = 'spec.rules[0].http.paths[0]';
const className = 'kubernetes.io/ingress.class';

describe('ingresses', () => {
  it('begin with an empty status, and count changes of the spec', async () => {
    const { object, errors } = await create(strategy, {
      ...ingress(simple),
      status: { loadBalancer: { ingress: [{ ip: '1.1.1.1' }] } },
    });
    assert.deepEqual([errors, object.status, object.metadata.generation], [[], { loadBalancer: {} }, 1]);
    const changed = await update(strategy, object, ({ spec }) => {
      spec.ingressClassName = 'proxy';
    });
    assert.deepEqual([changed.errors, changed.object.metadata.generation], [[], 2]);
  });

  const accepted: [what: string, IngressSpec][] = [
    ['a default backend alone', { defaultBackend: backend }],
    ['a resource as backend', { defaultBackend: { resource: { apiGroup: 'a.b', kind: 'Bucket', name: 'x' } } }],
    ['a rule without paths', { rules: [{ host: 'web.example.com' }] }],
    ['a wildcard host', { rules: [{ host: '*.example.com' }] }],
    ['a path of the implementation', paths({ pathType: 'ImplementationSpecific', backend })],
    ['a service whose name begins with a digit', { defaultBackend: { service: { name: '1web', port: { name: 'http' } } } }],
  ];
  for (const [what, spec] of accepted)
    it(`may have ${what}`, async () => {
      await rejects(strategy, ingress(spec));
    });

  const refused: [what: string, IngressSpec, errors: string[]][] = [
    ['nothing', {}, ['spec: Invalid value: []: either `defaultBackend` or `rules` must be specified']],
    ['no paths', paths(), ['spec.rules[0].http.paths: Required value']],
    [
      'a path without type',
      paths({ path: '/', backend } as HTTPIngressPath),
      [`${at}.pathType: Required value: pathType must be specified`],
    ],
    [
      'an unknown type',
      paths({ path: '/', pathType: 'Regex', backend }),
      [`${at}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"`],
    ],
    [
      'odd paths',
      paths({ path: 'a//b/..', pathType: 'Exact', backend }),
      [
        `${at}.path: Invalid value: "a//b/..": must be an absolute path`,
        `${at}.path: Invalid value: "a//b/..": must not contain '//'`,
        `${at}.path: Invalid value: "a//b/..": cannot end with '/..'`,
      ],
    ],
    [
      'no backend',
      paths({ path: '/', pathType: 'Exact', backend: {} }),
      [`${at}.backend: Invalid value: "": resource or service backend is required`],
    ],
    [
      'both backends',
      { defaultBackend: { ...backend, resource: { kind: 'Bucket', name: 'x' } } },
      ['spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'],
    ],
    [
      'a service without name or port',
      { defaultBackend: { service: { name: '' } } },
      [
        'spec.defaultBackend.service.name: Required value',
        'spec.defaultBackend: Required value: port name or number is required',
      ],
    ],
    [
      'a port with name and number',
      { defaultBackend: { service: { name: 'web', port: { name: 'http', number: 80 } } } },
      ['spec.defaultBackend: Invalid value: "": cannot set both port name & port number'],
    ],
    [
      'an address as host',
      { rules: [{ host: '10.0.0.1' }] },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, ingress(spec), ...errors);
    });

  it('cannot name two classes at once, on creation', async () => {
    const both = ingress({ ...simple, ingressClassName: 'a' }, { [className]: 'b' });
    const text =
      'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are specified';
    await rejects(strategy, both, text);
    assert.deepEqual((await update(strategy, both, () => undefined)).errors, []);
  });

  it('warn of the old annotation, on creation', () => {
    const annotated = ingress(simple, { [className]: 'b' });
    const text = `annotation "${className}" is deprecated, please use 'spec.ingressClassName' instead`;
    assert.deepEqual(strategy.warnings?.(annotated, undefined), [text]);
    assert.deepEqual(strategy.warnings?.(annotated, annotated), []);
  });

  it('keep what was allowed before: rules of wildcard hosts, and names of secrets', async () => {
    const old = ingress({ rules: [{ host: '*.a.b', http: { paths: [] } }], tls: [{ secretName: 'No_Name' }] });
    const { errors } = await update(strategy, old, ({ spec }) => {
      spec.ingressClassName = 'proxy';
    });
    assert.deepEqual(errors, []);
  });

  it('have addresses and names of load balancers in their status', async () => {
    const old = { ...ingress(simple), status: { loadBalancer: { ingress: [{ ip: '010.0.0.1' }] } } };
    const { object, errors } = await update(
      strategy,
      old,
      (changed) => {
        changed.spec = {};
        changed.status = { loadBalancer: { ingress: [{ ip: '010.0.0.1' }, { ip: 'x' }, { hostname: '10.0.0.1' }] } };
      },
      'status',
    );
    assert.deepEqual(object.spec, old.spec);
    assert.deepEqual(errors, [
      'status.loadBalancer.ingress[1].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.loadBalancer.ingress[2].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ]);
  });
});
