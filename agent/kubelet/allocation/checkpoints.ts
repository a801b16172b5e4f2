/**
 * The pods' records on disk, one file for each: what the node has promised them, and what their running containers have, must outlive
 * the kubelet.
 *
 * Source: upstream `pkg/kubelet/allocation/state` (which has one file for all pods).
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { hasCode } from '#agent/host/safe-open.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import type { ResourceRequirements } from '#api/types.generated.ts';
import type { PodAllocation } from './pod-allocation.ts';

/** What is known of a pod's resources besides its spec. */
export interface PodRecord {
  allocated: PodAllocation;
  /** What running containers were given since they started, by name; `id` is the runtime's. */
  actuated: Readonly<Record<string, { id: string; resources: ResourceRequirements }>>;
}

/** The records of this node's pods. */
export interface Checkpoints {
  /** All that can be read, by UID; what cannot is left out and told in the log. @throws a system error */
  load(): Promise<Map<string, PodRecord>>;
  /** Settles when the record is on disk, whole. @throws a system error */
  save(uid: string, record: PodRecord): Promise<void>;
  /** An absent one is success. @throws a system error */
  remove(uid: string): Promise<void>;
}

const suffix = '.json';

/** @param folder of the kubelet alone; it is made when it is not there */
export function createCheckpoints(folder: string, log: Logger): Checkpoints {
  const fileOf = (uid: string): string => join(folder, `${uid}${suffix}`);
  return {
    async load() {
      const records = new Map<string, PodRecord>();
      const names = await readdir(folder).catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return [];
        throw error;
      });
      for (const name of names) {
        if (!name.endsWith(suffix)) continue;
        const record = parseRecord(await readFile(join(folder, name), 'utf8'));
        if (record !== undefined) records.set(name.slice(0, -suffix.length), record);
        else
          log.error({ file: join(folder, name) }, 'a record of a pod’s resources cannot be read; the pod is taken at its spec');
      }
      return records;
    },
    async save(uid, record) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = fileOf(uid);
      await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
    remove: (uid) => rm(fileOf(uid), { force: true }),
  };
}

function parseRecord(text: string): PodRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Cut short, as a file is after the machine has lost its power.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isJsonObject(value) || !isJsonObject(value['allocated']) || !isJsonObject(value['actuated'])) return undefined;
  const { containers, pod } = value['allocated'];
  const isWhole =
    isJsonObject(containers) &&
    Object.values(containers).every(isResources) &&
    (pod === undefined || isResources(pod)) &&
    Object.values(value['actuated']).every(
      (one) => isJsonObject(one) && typeof one['id'] === 'string' && isResources(one['resources']),
    );
  return isWhole ? (value as unknown as PodRecord) : undefined;
}

function isResources(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const isList = (list: JsonObject[string] | undefined): boolean =>
    list === undefined ||
    (isJsonObject(list) && Object.values(list).every((one) => typeof one === 'string' || typeof one === 'number'));
  return isList(value['requests']) && isList(value['limits']);
}
