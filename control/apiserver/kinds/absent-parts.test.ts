import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import { ApiError } from '#api/status.ts';
import { FakeClock } from '#client/clock.ts';
import { createAuthorization } from '../authorization/modes.ts';
import { PolicyGuard } from './admissionregistration/policy-guard.ts';
import { ComponentChecks } from './core/componentstatus/component-checks.ts';
import { type AllocationStore, openAllocationStore } from './core/service/allocator.testing.ts';
import { strategies } from './index.ts';
import { create, systemMeta, update } from './strategy.testing.ts';

const clock = new FakeClock();
const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: systemMeta('default', 'ns') };
const stored = { 'serviceaccounts/ns/default': account };

/** The sample objects of the kinds: `<group>/<kind>/sample.testing.ts`. */
async function samplesOfRooms(): Promise<Map<string, Json>> {
  const files = globSync('*/*/sample.testing.ts', { cwd: import.meta.dirname });
  const modules = await Promise.all(files.map(async (file) => (await import(`./${file}`)) as { samples: Record<string, Json> }));
  return new Map(modules.flatMap(({ samples }) => Object.entries(samples)));
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Every place inside `value`, as the keys that lead there. */
function* places(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (path.length > 0) yield path;
  if (isObject(value)) for (const [key, inner] of Object.entries(value)) yield* places(inner, [...path, key]);
}

/** A copy without what is at `path`; in a list, with an empty element there. */
function without(value: Json, path: readonly string[]): Json {
  const copy = structuredClone(value);
  const parent = path.slice(0, -1).reduce<Json>((at, key) => at[key] as Json, copy);
  const key = path.at(-1) ?? '';
  if (!Array.isArray(parent)) delete parent[key];
  else parent.splice(Number(key), 1, isObject(parent[Number(key)]) ? {} : '');
  return copy;
}

/** An error of the API is a good answer; any other exception is a defect. */
async function answers(work: Promise<unknown>, where: string): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof ApiError)) assert.fail(`${where}: ${String((error as Error).stack)}`);
  });
}

const samples = await samplesOfRooms();

describe('objects with absent parts', () => {
  const resources = createResourceCatalog();
  let taken: AllocationStore;
  let all: ReturnType<typeof strategies>;
  before(async () => {
    taken = await openAllocationStore();
    all = strategies({
      clock,
      services: await taken.allocator({ serviceCidr: '10.96.0.0/12' }),
      components: new ComponentChecks(clock),
      roles: createAuthorization([]).roles,
      policies: new PolicyGuard({ authorizer: createAuthorization([]).authorizer, catalog: () => resources }),
      random: () => 0,
    });
  });
  after(() => taken.close());

  it('are given by the rooms of all kinds that can be written', () => {
    const written = resources.all().filter(({ verbs }) => verbs.includes('create'));
    assert.deepEqual([...samples.keys()].sort(), written.map(({ id }) => id).sort());
  });

  for (const [id, content] of samples as Map<ResourceId, Json>) {
    it(`of ${id} are answered, never crashed on`, async () => {
      const strategy = all[id];
      const { group, version, kind, namespaced } = resources.builtIn(id);
      const metadata = systemMeta('x', namespaced ? 'ns' : undefined);
      const object = { apiVersion: apiVersionOf(group, version), kind, metadata, ...content } as KubeObject;
      const { object: old } = await create(strategy, object, { stored });
      for (const path of places(content)) {
        const where = path.join('.');
        const thinned = { ...object, ...without(content, path) };
        for (const key of Object.keys(content))
          if (path.length === 1 && path[0] === key) delete (thinned as unknown as Json)[key];
        const made = create(strategy, thinned, { stored });
        await answers(made, `create without ${where}`);
        await answers(
          made.then(
            ({ object: whole }) => (
              strategy.warnings?.(whole, undefined), strategy.table?.cells(whole, 0), strategy.fields?.(whole)
            ),
          ),
          `show without ${where}`,
        );
        const change = (target: KubeObject): void => {
          for (const key of Object.keys(content))
            (target as unknown as Json)[key] = (structuredClone(thinned) as unknown as Json)[key];
        };
        await answers(update(strategy, old, change), `update without ${where}`);
        await answers(update(strategy, old, change, 'status'), `status without ${where}`);
        await answers(
          made.then(async ({ object: whole }) => (await strategy.allocate?.(structuredClone(whole), undefined, false))?.()),
          `allocate without ${where}`,
        );
      }
    });
  }
});
