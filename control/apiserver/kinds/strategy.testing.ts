/** For tests: takes an object through a strategy's and the admission plugins' steps in the registry's order. */
import assert from 'node:assert/strict';
import { deepFreeze } from '#api/deep-freeze.ts';
import type { FieldError } from '#api/field-error.ts';
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { FakeClock } from '#client/clock.ts';
import { AdmissionChain } from '../admission/chain.ts';
import type { AdmissionAttributes, Operation } from '../admission/plugin.ts';
import { admissionPlugins } from '../admission/plugins/index.ts';
import type { RequestContext, Strategy } from '../registry/strategy.ts';

const createdAt = '2026-01-01T00:00:00Z';

export interface HarnessOptions {
  /** Objects that admission can read, by `resource/namespace/name`. */
  stored?: Record<string, KubeObject>;
  clock?: FakeClock;
}

const idOf = (resource: string | Resource): string => (typeof resource === 'string' ? resource : resource.id);

export function testContext({ stored = {}, clock = new FakeClock() }: HarnessOptions = {}): RequestContext {
  return {
    user: { name: 'tester', groups: [], extra: {} },
    clock,
    warn: () => undefined,
    annotate: () => undefined,
    read: async (resource, namespace, name) => stored[`${idOf(resource)}/${namespace ?? ''}/${name}`],
    list: async (resource, namespace) =>
      Object.entries(stored)
        .filter(([key]) => key.startsWith(`${idOf(resource)}/${namespace === undefined ? '' : `${namespace}/`}`))
        .map(([, object]) => object),
  };
}

/** Without the plugins about namespaces, which these tests do not cover. */
const admission = new AdmissionChain(admissionPlugins({ random: () => 0 }).filter(({ name }) => name !== 'NamespaceLifecycle'));

export function attributesOf(
  operation: Operation,
  object: KubeObject,
  oldObject: KubeObject | undefined,
  subresource: string,
  told?: AdmissionAttributes['resource'],
): AdmissionAttributes {
  const { apiVersion, kind, metadata } = object;
  const isOfKind = (one: Resource): boolean => one.kind === kind && apiVersionOf(one.group, one.version) === apiVersion;
  const resource = told ?? createResourceCatalog().all().find(isOfKind);
  if (resource === undefined) throw new Error(`no resource for ${apiVersion} ${kind}`);
  const { user } = testContext();
  const { namespace = '', name } = metadata;
  return {
    operation,
    resource,
    kind,
    subresource,
    namespace,
    name,
    user,
    dryRun: false,
    object,
    oldObject,
    options: undefined,
  };
}

/** Metadata as the registry fills it in before the strategy's steps. */
export function systemMeta(name: string, namespace?: string) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: 'u1',
    creationTimestamp: createdAt,
    resourceVersion: '',
  };
}

/** Returns the object as it would be stored, and the validation errors. */
export async function create<T extends KubeObject>(
  strategy: Strategy<T>,
  submitted: T,
  options: HarnessOptions = {},
): Promise<{ object: T; errors: string[] }> {
  const object = structuredClone(submitted);
  const context = testContext(options);
  strategy.setDefaults?.(object);
  await admission.mutate(attributesOf('create', object, undefined, ''), context);
  strategy.prepareForCreate?.(object, context);
  strategy.setDefaults?.(object);
  return { object, errors: texts(strategy.validate(object)) };
}

/** Returns the update as it would be stored, and the validation errors. `old` is not changed. */
export async function update<T extends KubeObject>(
  strategy: Strategy<T>,
  old: T,
  change: (object: T) => void,
  subresource: '' | 'status' = '',
): Promise<{ object: T; errors: string[] }> {
  const frozen = deepFreeze(structuredClone({ ...old, metadata: { ...old.metadata, resourceVersion: '7' } }));
  const object = structuredClone(frozen);
  change(object);
  const context = testContext();
  strategy.setDefaults?.(object);
  await admission.mutate(attributesOf('update', object, frozen, subresource), context);
  strategy.setDefaults?.(object);
  strategy.prepareForUpdate?.(object, frozen, context, subresource);
  return { object, errors: texts(strategy.validateUpdate?.(object, frozen, subresource) ?? []) };
}

/** Creating the object fails with just these errors. */
export async function rejects<T extends KubeObject>(strategy: Strategy<T>, object: T, ...expected: string[]): Promise<void> {
  assert.deepEqual((await create(strategy, object)).errors, expected);
}

export const texts = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);
