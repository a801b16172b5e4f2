/** What a declaration stands for, with a kind that does not exist. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deepFreeze } from '#api/deep-freeze.ts';
import { invalidValue } from '#api/field-error.ts';
import type { KubeObject } from '#api/meta.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { LabelSelector, PodTemplateSpec } from '#api/types.generated.ts';
import { defineStrategy, type StrategyDeclaration } from './define-strategy.ts';
import { systemMeta, testContext, texts } from './strategy.testing.ts';

interface Gadget extends KubeObject {
  spec?: { size?: number; selector?: LabelSelector; template?: PodTemplateSpec; parts?: string[] };
  extra?: string;
  status?: { size?: number };
}

const gadget = (spec: Gadget['spec'] = {}, more: Partial<Gadget> = {}): Gadget => ({
  apiVersion: 'example.com/v1',
  kind: 'Gadget',
  metadata: { ...systemMeta('g', 'ns'), resourceVersion: '7', generation: 3, labels: { a: 'b' } },
  spec,
  ...more,
});

/** The stored object as `change` and the strategy leave it, with the errors of that update. */
function updated(declared: StrategyDeclaration<Gadget>, old: Gadget, change: (object: Gadget) => void, part = '') {
  const strategy = defineStrategy(declared);
  const frozen = deepFreeze(structuredClone(old));
  const object = structuredClone(frozen);
  change(object);
  strategy.setDefaults?.(object);
  strategy.prepareForUpdate?.(object, frozen, testContext(), part);
  return { object, errors: texts(strategy.validateUpdate?.(object, frozen, part) ?? []) };
}

function created(declared: StrategyDeclaration<Gadget>, submitted: Gadget): Gadget {
  const object = structuredClone(submitted);
  const strategy = defineStrategy(declared);
  strategy.setDefaults?.(object);
  strategy.prepareForCreate?.(object, testContext());
  return object;
}

const names = nameIsDnsSubdomain;

describe('status', () => {
  const declared: StrategyDeclaration<Gadget> = { names, status: {} };

  it('is empty at first, or as declared', () => {
    const submitted = gadget({}, { status: { size: 9 } });
    assert.deepEqual(created(declared, submitted).status, {});
    assert.deepEqual(created({ names, status: { initial: () => ({ size: 0 }) } }, submitted).status, { size: 0 });
    assert.deepEqual(created({ names }, submitted).status, { size: 9 });
  });

  it('is kept by writes of the object, also where there is none', () => {
    const change = (object: Gadget): void => {
      object.status = { size: 9 };
      object.spec = { size: 2 };
    };
    const kept = updated(declared, gadget({ size: 1 }, { status: { size: 1 } }), change).object;
    assert.deepEqual([kept.spec, kept.status], [{ size: 2 }, { size: 1 }]);
    assert.equal('status' in updated(declared, gadget(), change).object, false);
  });

  it('is all that writes of /status change, with metadata but for what is kept', () => {
    const change = (object: Gadget): void => {
      object.status = { size: 9 };
      object.spec = { size: 2 };
      object.extra = 'new';
      object.metadata.labels = { a: 'c' };
      object.metadata.annotations = { x: 'y' };
    };
    const { object } = updated(declared, gadget({ size: 1 }), change, 'status');
    assert.deepEqual([object.status, object.spec, object.extra], [{ size: 9 }, { size: 1 }, undefined]);
    assert.deepEqual([object.metadata.labels, object.metadata.annotations], [{ a: 'c' }, { x: 'y' }]);
    const strict = updated({ names, status: { keeps: ['labels', 'annotations'] } }, gadget(), change, 'status').object;
    assert.deepEqual([strict.metadata.labels, strict.metadata.annotations], [{ a: 'b' }, undefined]);
  });

  it('is checked by its own rules only', () => {
    const rules: StrategyDeclaration<Gadget> = {
      names,
      validate: () => [invalidValue('spec', 1, 'wrong')],
      status: { validate: ({ status }) => (status?.size === 1 ? [] : [invalidValue('status.size', status?.size, 'wrong')]) },
    };
    const resized = (part: string) =>
      updated(rules, gadget({}, { status: { size: 1 } }), (object) => void (object.status = { size: 2 }), part).errors;
    assert.deepEqual(resized('status'), ['status.size: Invalid value: 2: wrong']);
    assert.deepEqual(resized(''), ['spec: Invalid value: 1: wrong']);
  });
});

describe('generation', () => {
  const change = (object: Gadget): void => void (object.spec = { size: 2 });
  const generation = (declared: StrategyDeclaration<Gadget>, apply: (object: Gadget) => void, part = '') =>
    updated({ names, status: {}, ...declared }, gadget({ size: 1 }), apply, part).object.metadata.generation;

  it('begins with 1 where the kind has one', () => {
    assert.equal(created({ names, generation: 'spec' }, gadget()).metadata.generation, 1);
    const without = gadget();
    delete without.metadata.generation;
    assert.equal(created({ names }, without).metadata.generation, undefined);
  });

  it('rises with the spec, not with labels, status or what is empty', () => {
    const declared: StrategyDeclaration<Gadget> = { generation: 'spec' };
    assert.equal(generation(declared, change), 4);
    assert.equal(generation(declared, change, 'status'), 3);
    assert.equal(
      generation(declared, (object) => {
        object.metadata.labels = {};
        object.spec = { ...object.spec, parts: [] };
      }),
      3,
    );
    assert.equal(generation({}, change), 3);
  });

  it('rises with the part that the kind names, and after its own preparations', () => {
    const labelled = (object: Gadget): void => void (object.metadata.labels = { a: 'c' });
    assert.equal(generation({ generation: ({ metadata }) => metadata.labels }, labelled), 4);
    assert.equal(generation({ generation: ({ metadata }) => metadata.labels }, change), 3);
    const prepare: StrategyDeclaration<Gadget>['prepare'] = (object, old) => void (object.spec = old?.spec ?? {});
    assert.equal(generation({ generation: 'spec', prepare }, change), 3);
  });
});

describe('immutable fields', () => {
  const declared: StrategyDeclaration<Gadget> = { names, immutable: ['spec.selector', 'extra'] };
  const old = gadget({ selector: { matchLabels: { a: 'b' } } }, { extra: 'x' });

  it("are refused in upstream's words, one error each", () => {
    const { errors } = updated(declared, old, (object) => {
      object.spec = { selector: { matchLabels: { a: 'c' } } };
      delete object.extra;
    });
    assert.deepEqual(errors, [
      'spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
      'extra: Invalid value: null: field is immutable',
    ]);
  });

  it('may stay, also where they are absent', () => {
    assert.deepEqual(updated(declared, old, ({ spec }) => void (spec === undefined ? 0 : (spec.size = 3))).errors, []);
    assert.deepEqual(updated(declared, gadget(undefined), () => undefined).errors, []);
  });
});

describe('the order of errors of an update', () => {
  const rules: StrategyDeclaration<Gadget> = {
    names,
    immutable: ['extra'],
    validate: () => [invalidValue('whole', 1, 'x')],
    validateUpdate: () => [invalidValue('special', 1, 'x')],
  };
  const fields = (more: Partial<StrategyDeclaration<Gadget>>): string[] =>
    updated({ ...rules, ...more }, gadget({}, { extra: 'x' }), (object) => {
      object.extra = 'y';
      object.metadata.uid = 'other';
      object.metadata.labels = { '': '' };
    }).errors.map((text) => text.split(':', 1)[0] ?? '');
  const labels = ['metadata.labels', 'metadata.labels'];

  it('is that of upstream’s three ways', () => {
    const update = ['metadata.uid', ...labels];
    assert.deepEqual(fields({}), [...update, 'whole', 'special', 'extra']);
    assert.deepEqual(fields({ checkedAgain: 'first' }), [...labels, 'whole', ...update, 'special', 'extra']);
    assert.deepEqual(fields({ checkedAgain: 'last' }), [...update, 'extra', 'special', ...labels, 'whole']);
  });
});

describe('a pod template', () => {
  const declared: StrategyDeclaration<Gadget> = { names, generation: 'spec', podTemplate: 'spec.template' };
  const template: PodTemplateSpec = {
    spec: { nodeSelector: { 'beta.kubernetes.io/os': 'linux' }, containers: [{ name: 'c', image: 'x:1' }] },
  };
  const warning =
    'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead';

  it('gets the defaults of a pod where it is there', () => {
    const { spec } = created(declared, gadget({ template })).spec?.template ?? {};
    assert.deepEqual([spec?.restartPolicy, spec?.containers[0]?.imagePullPolicy], ['Always', 'IfNotPresent']);
    assert.deepEqual(created(declared, gadget({})).spec, {});
  });

  it('is warned of when it is new or the spec changes, after what the kind itself warns of', () => {
    const strategy = defineStrategy({ ...declared, warnings: () => ['mine'] });
    const object = gadget({ template });
    assert.deepEqual(strategy.warnings?.(object, undefined), ['mine', warning]);
    assert.deepEqual(strategy.warnings?.(object, object), ['mine']);
    const older = { ...object, metadata: { ...object.metadata, generation: 2 } };
    assert.deepEqual(strategy.warnings?.(object, older), ['mine', warning]);
  });
});

it('a part that a subresource writes has rules of its own, and raises the generation', () => {
  const declared: StrategyDeclaration<Gadget> = {
    names,
    generation: 'spec',
    validate: () => [invalidValue('whole', 1, 'x')],
    parts: {
      resize: {
        prepare: (object, old) =>
          void (object.spec = { ...old.spec, ...(object.spec?.size === undefined ? {} : { size: object.spec.size }) }),
        validate: ({ spec }) => (spec?.size === 2 ? [] : [invalidValue('spec.size', spec?.size, 'x')]),
      },
    },
  };
  const change = (object: Gadget): void => void (object.spec = { size: 2, parts: ['no'] });
  const { object, errors } = updated(declared, gadget({ size: 1 }), change, 'resize');
  assert.deepEqual([object.spec, object.metadata.generation, errors], [{ size: 2 }, 4, []]);
});

it('field selectors give names and values', () => {
  const strategy = defineStrategy<Gadget>({ names, fieldSelectors: { 'spec.size': ({ spec }) => String(spec?.size ?? 0) } });
  assert.deepEqual(strategy.selectableFields, ['spec.size']);
  assert.deepEqual(strategy.fields?.(gadget({ size: 4 })), { 'spec.size': '4' });
  assert.equal(defineStrategy<Gadget>({ names }).selectableFields, undefined);
});
