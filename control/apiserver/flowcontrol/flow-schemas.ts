/**
 * Finds the FlowSchema and the priority level of a request in an index of the stored objects, which the watch caches update. Mandatory
 * objects that are missing (at the start) are replaced by their defaults.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/apf_controller.go` (digestFlowSchemasLocked, startRequest).
 */
import type { KubeObject } from '#api/meta.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '#api/types.generated.ts';
import type { CacheFollower } from '../cache/cache-feed.ts';
import { catchAll, exempt, mandatoryFlowSchemas, mandatoryPriorityLevels } from '../kinds/flowcontrol/default-objects.ts';
import { byPrecedence } from '../kinds/flowcontrol/flowschema/precedence.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { matchesFlowSchema } from './matching.ts';

/** The FlowSchema and priority level of a request. */
export interface Flow {
  schema: FlowSchema;
  level: PriorityLevelConfiguration;
}

const standIn = (kind: string, name: string, spec: unknown): KubeObject =>
  ({ apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind, metadata: { name, uid: '' }, spec }) as unknown as KubeObject;

const mandatorySchema = (name: string): FlowSchema => standIn('FlowSchema', name, mandatoryFlowSchemas[name]) as FlowSchema;
const mandatoryLevels = new Map(
  [exempt, catchAll].map((name) => [
    name,
    standIn('PriorityLevelConfiguration', name, mandatoryPriorityLevels[name]) as PriorityLevelConfiguration,
  ]),
);

/** The FlowSchemas in the order in which they are matched (matchingPrecedence, then name), updated by the watch caches. */
export class FlowSchemas {
  readonly #schemas = new Map<string, FlowSchema>();
  readonly #levels = new Map<string, PriorityLevelConfiguration>();
  /** In matching order; undefined after a change. */
  #flows: readonly Flow[] | undefined;
  /** Undefined after a change. */
  #all: readonly PriorityLevelConfiguration[] | undefined;

  /** Listeners for changes of stored objects, by storage prefix. */
  get followers(): ReadonlyMap<string, CacheFollower> {
    return new Map<string, CacheFollower>([
      ['/registry/flowschemas', this.#followerOf(this.#schemas)],
      ['/registry/prioritylevelconfigurations', this.#followerOf(this.#levels)],
    ]);
  }

  /** All of them in matching order, without those whose priority level does not exist. */
  flows(): readonly Flow[] {
    this.#flows ??= this.#ordered();
    return this.#flows;
  }

  /** All priority levels, with defaults for missing mandatory ones. The same array until something changes. */
  levels(): readonly PriorityLevelConfiguration[] {
    this.#all ??= [...new Map([...mandatoryLevels, ...this.#levels]).values()];
    return this.#all;
  }

  /** The first that matches. There always is one. */
  classify(info: RequestInfo, user: UserInfo): Flow {
    const flows = this.flows();
    const found = flows.find(({ schema }) => matchesFlowSchema(schema, info, user));
    // A user in neither system:authenticated nor system:unauthenticated matches no FlowSchema: `catch-all` is used.
    return found ?? (flows.find(({ schema }) => schema.metadata.name === catchAll) as Flow);
  }

  #ordered(): Flow[] {
    const flows = [...this.#schemas.values()].flatMap((schema) => {
      const name = schema.spec.priorityLevelConfiguration?.name ?? '';
      const level = this.#levels.get(name) ?? mandatoryLevels.get(name);
      return level === undefined ? [] : [{ schema, level }];
    });
    flows.sort((a, b) => byPrecedence(a.schema, b.schema));
    const isThere = (name: string): boolean => flows.some(({ schema }) => schema.metadata.name === name);
    const mandatory = (name: string): Flow => ({
      schema: mandatorySchema(name),
      level: (this.#levels.get(name) ?? mandatoryLevels.get(name)) as PriorityLevelConfiguration,
    });
    return [...(isThere(exempt) ? [] : [mandatory(exempt)]), ...flows, ...(isThere(catchAll) ? [] : [mandatory(catchAll)])];
  }

  #followerOf<T extends FlowSchema | PriorityLevelConfiguration>(objects: Map<string, T>): CacheFollower {
    return {
      replaced: (all) => {
        objects.clear();
        for (const { object } of all) objects.set(object.metadata.name, object as T);
        this.#flows = undefined;
        this.#all = undefined;
      },
      changed: ({ previous, current }) => {
        if (current !== undefined) objects.set(current.object.metadata.name, current.object as T);
        else if (previous !== undefined) objects.delete(previous.object.metadata.name);
        this.#flows = undefined;
        this.#all = undefined;
      },
    };
  }
}
