/**
 * Makes a strategy from a declaration: a kind selects the rules that it shares with other kinds, and adds its own.
 *
 * Source: upstream `pkg/registry/<group>/<kind>/strategy.go`, which say the same in sixty variations; apiserver `pkg/registry/rest`.
 */
import { allErrors, type Check, type FieldError } from '#api/field-error.ts';
import { nextInt64 } from '#api/int64.ts';
import { isJsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { NameCheck } from '#api/names.ts';
import { validateGenericMetaUpdate, validateImmutable, validateObjectMeta, validateObjectMetaUpdate } from '#api/object-meta.ts';
import { ownValue } from '#api/own-value.ts';
import type { PodTemplateSpec } from '#api/types.generated.ts';
import type { RequestContext, Strategy, TableColumns } from '../registry/strategy.ts';
import { semanticEqual } from '../validation/semantic-equal.ts';
import { setTemplateDefaults, templateWarnings } from './core/pod/template.ts';

type StatusOf<T> = T extends { status?: infer Status } ? Status : never;

/** The members of {@link Strategy} that a declaration passes on unchanged. */
const sameInBoth = [
  'checkWriter',
  'allocate',
  'committed',
  'release',
  'repair',
  'allowCreateOnUpdate',
  'allowUnconditionalUpdate',
  'gracePeriodSeconds',
  'defaultPropagation',
  'deleteWarnings',
  'unknownField',
  'planDeletion',
  'mayRemove',
  'ttlSeconds',
  'resetFields',
] as const;

/** The rules of one kind. An absent rule has the default of most kinds. */
export interface StrategyDeclaration<T extends KubeObject> extends Pick<Strategy<T>, (typeof sameInBoth)[number]> {
  /** Cluster-scoped. */
  cluster?: true;
  /** Validates names. Absent: the kind's own validation also covers `metadata`, on create and on update. */
  names?: NameCheck;
  /** Finalizers need no domain prefix. */
  anyFinalizer?: true;
  /**
   * On update, most kinds validate only the changes of `metadata`. Some validate the whole object again as on create, before (`first`) or
   * after (`last`) the rules for updates. It decides the order of the errors.
   */
  checkedAgain?: 'first' | 'last';
  /** Fills in what the API promises for absent fields (upstream's SetDefaults_*), in place; those of the pod template come after it. */
  defaults?(object: T): void;
  /** The path of a pod template, such as `spec.template`. The template, if present, gets its defaults and warnings. */
  podTemplate?: string;
  /**
   * The kind has `/status`: a write of the object keeps the stored status, a write of `/status` keeps all but status and metadata.
   */
  status?: StatusRules<T>;
  /**
   * `metadata.generation` starts at 1 and counts changes of the spec, or of what the function returns. Absent and empty values are equal.
   * Default: no generation.
   */
  generation?: 'spec' | ((object: T) => unknown);
  /** Immutable fields: `spec.selector`. Their errors come last, or with `checkedAgain: 'last'` first. */
  immutable?: readonly string[];
  /**
   * Clears or fills in what clients may not set; in place. For writes of the object itself, after status and before generation.
   * @param old undefined on create
   */
  prepare?(object: T, old: T | undefined, context: RequestContext): void;
  /** Validates everything except `metadata`. @param old undefined on create */
  validate?(object: T, old: T | undefined): FieldError[];
  /** Instead of {@link validate}: a long validation in parts, so that other requests are served in between. */
  checks?(object: T, old: T | undefined): readonly Check[];
  /** Validates an update, in addition to {@link validate}. */
  validateUpdate?(object: T, old: T): FieldError[];
  /** Further subresources that write one part of the object, by name: `ephemeralcontainers`. */
  parts?: Readonly<Record<string, PartRules<T>>>;
  /** Warnings, which come before those of the pod template. */
  warnings?(object: T, old: T | undefined): string[];
  /** Supported field selectors besides metadata.name and metadata.namespace, with functions that return their values. */
  fieldSelectors?: Readonly<Record<string, (object: T) => string>>;
  /** The columns of `kubectl get`. Default: name and age. */
  columns?: TableColumns<T>;
}

/** The rules of a kind's `/status`. */
export interface StatusRules<T extends KubeObject> {
  /** The status of a new object. Default: an empty one, whatever the client sent. */
  initial?(object: T): StatusOf<T>;
  /** Fields of `metadata` that a write of `/status` cannot change. */
  keeps?: readonly ('labels' | 'annotations' | 'ownerReferences' | 'finalizers')[];
  /** Completes the status that a client writes; in place. */
  prepare?(object: T, old: T, context: RequestContext): void;
  /** Validates the status. */
  validate?(object: T, old: T): FieldError[];
}

/** A subresource that writes one part. */
export interface PartRules<T extends KubeObject> {
  /** Restores everything except the part from the stored object; in place. Runs before the generation is set. */
  prepare(object: T, old: T, context: RequestContext): void;
  /** Validates the update, `metadata` included. */
  validate(object: T, old: T): FieldError[];
}

/** Makes the strategy of a declaration. */
export function defineStrategy<T extends KubeObject>(declared: StrategyDeclaration<T>): Strategy<T> {
  const { status, parts, prepare, generation, podTemplate, fieldSelectors, columns } = declared;
  const same = Object.fromEntries(sameInBoth.filter((name) => name in declared).map((name) => [name, declared[name]]));
  return {
    ...(same as Pick<Strategy<T>, (typeof sameInBoth)[number]>),
    setDefaults(object) {
      declared.defaults?.(object);
      const template = templateOf(object, podTemplate);
      if (template !== undefined) setTemplateDefaults(template);
    },
    prepareForCreate(object, context) {
      if (status !== undefined) setField(object, 'status', status.initial === undefined ? {} : status.initial(object));
      prepare?.(object, undefined, context);
      if (generation !== undefined) object.metadata.generation = 1;
    },
    prepareForUpdate(object, old, context, subresource) {
      if (subresource === 'status') {
        keepAllButStatus(object, old, status ?? {}, context);
        return;
      }
      const part = parts?.[subresource];
      if (part === undefined) {
        if (status !== undefined) setField(object, 'status', fieldOf(old, 'status'));
        prepare?.(object, old, context);
      } else part.prepare(object, old, context);
      if (generation !== undefined) raiseGeneration(object, old, generation);
    },
    validate: (object) => allErrors(createChecks(declared, object)),
    validateUpdate: (object, old, subresource) => allErrors(updateChecks(declared, object, old, subresource)),
    checks: (object, old, subresource) =>
      old === undefined ? createChecks(declared, object) : updateChecks(declared, object, old, subresource),
    warnings(object, old) {
      const warnings = declared.warnings?.(object, old) ?? [];
      const template = templateOf(object, podTemplate);
      if (podTemplate === undefined || template === undefined) return warnings;
      return [...warnings, ...templateWarnings(object, template, old, podTemplate)];
    },
    ...(fieldSelectors === undefined
      ? {}
      : {
          selectableFields: Object.keys(fieldSelectors),
          fields: (object) => Object.fromEntries(Object.entries(fieldSelectors).map(([name, value]) => [name, value(object)])),
        }),
    ...(columns === undefined ? {} : { table: columns }),
  };
}

function metadataErrors<T extends KubeObject>({ names, cluster }: StrategyDeclaration<T>, object: T): FieldError[] {
  return names === undefined ? [] : validateObjectMeta(object.metadata, { namespaced: cluster !== true, name: names });
}

const ownChecks = <T extends KubeObject>(declared: StrategyDeclaration<T>, object: T, old: T | undefined): readonly Check[] =>
  declared.checks?.(object, old) ?? [() => declared.validate?.(object, old) ?? []];

function createChecks<T extends KubeObject>(declared: StrategyDeclaration<T>, object: T): Check[] {
  return [() => metadataErrors(declared, object), ...ownChecks(declared, object, undefined)];
}

function updateChecks<T extends KubeObject>(
  declared: StrategyDeclaration<T>,
  object: T,
  old: T,
  subresource: string,
): readonly Check[] {
  const { names, checkedAgain, immutable = [], status, anyFinalizer = false } = declared;
  const metadata: Check = () =>
    (anyFinalizer ? validateGenericMetaUpdate : validateObjectMetaUpdate)(object.metadata, old.metadata);
  if (subresource === 'status') return [metadata, () => status?.validate?.(object, old) ?? []];
  const part = declared.parts?.[subresource];
  if (part !== undefined) return [() => part.validate(object, old)];
  const special: Check = () => declared.validateUpdate?.(object, old) ?? [];
  const whole = ownChecks(declared, object, old);
  if (names === undefined) return [...whole, special];
  const kept: Check = () => immutable.flatMap((path) => validateImmutable(valueAt(object, path), valueAt(old, path), path));
  const own: Check = () => metadataErrors(declared, object);
  switch (checkedAgain) {
    case 'first':
      return [own, ...whole, metadata, special, kept];
    case 'last':
      return [metadata, kept, special, own, ...whole];
    case undefined:
    default:
      return [metadata, ...whole, special, kept];
  }
}

function keepAllButStatus<T extends KubeObject>(
  object: T,
  old: T,
  { keeps = [], prepare }: StatusRules<T>,
  context: RequestContext,
): void {
  for (const name of new Set([...Object.keys(object), ...Object.keys(old)]))
    if (!['apiVersion', 'kind', 'metadata', 'status'].includes(name)) setField(object, name, fieldOf(old, name));
  for (const name of keeps) {
    if (old.metadata[name] === undefined) delete object.metadata[name];
    else Object.assign(object.metadata, { [name]: old.metadata[name] });
  }
  prepare?.(object, old, context);
}

function raiseGeneration<T extends KubeObject>(object: T, old: T, counted: 'spec' | ((object: T) => unknown)): void {
  const part = counted === 'spec' ? (one: T): unknown => fieldOf(one, 'spec') : counted;
  const generation = old.metadata.generation ?? 0;
  object.metadata.generation = semanticEqual(part(object), part(old)) ? generation : nextInt64(generation);
}

const templateOf = (object: KubeObject, path: string | undefined): PodTemplateSpec | undefined =>
  path === undefined ? undefined : (valueAt(object, path) as PodTemplateSpec | undefined);

/** The value at a path such as `spec.selector`; undefined when it is absent. */
const valueAt = (object: KubeObject, path: string): unknown =>
  path.split('.').reduce<unknown>((at, name) => (isJsonObject(at) ? ownValue(at, name) : undefined), object);

const fieldOf = (object: KubeObject, name: string): unknown => (object as unknown as Record<string, unknown>)[name];

function setField(object: KubeObject, name: string, value: unknown): void {
  const fields = object as unknown as Record<string, unknown>;
  if (value === undefined) delete fields[name];
  else fields[name] = value;
}
