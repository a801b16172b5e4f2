/**
 * Records of the pods' resources on disk, one file per pod: the allocation of the pod and the resources that its running containers were
 * given. They must survive a restart of the kubelet.
 *
 * Source: upstream `pkg/kubelet/allocation/state` (which has one file for all pods).
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ifThere, makeFolders, openFolder, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';
import { isJsonObject, type JsonObject } from '#api/json.ts';
import type { ResourceRequirements } from '#api/types.generated.ts';
import type { PodAllocation } from './pod-allocation.ts';

/** The resources of a pod that its spec does not tell. */
export interface PodRecord {
  allocated: PodAllocation;
  /** The resources that running containers were last given, by container name. `id` is the runtime's ID. */
  actuated: Readonly<Record<string, { id: string; resources: ResourceRequirements }>>;
}

/** The records of this node's pods. */
export interface Checkpoints {
  /** All readable records, by pod UID. Others are left out and logged. @throws a system error */
  load(): Promise<Map<string, PodRecord>>;
  /** Settles when the whole record is on disk. @throws a system error */
  save(uid: string, record: PodRecord): Promise<void>;
  /** Removes a record. An absent record is success. @throws a system error */
  remove(uid: string): Promise<void>;
}

const suffix = '.json';
/** Larger than the record of the largest pod that the API accepts. */
const maxBytes = 16 * 1024 * 1024;

/** @param folder within `dataDir`, used by the kubelet only; made when it does not exist */
export function createCheckpoints(dataDir: string, folder: string, log: Logger): Checkpoints {
  return {
    async load() {
      const records = new Map<string, PodRecord>();
      await using open = await ifThere(openFolder(dataDir, folder));
      for (const { name } of (await open?.list()) ?? []) {
        if (!name.endsWith(suffix)) continue;
        const record = parseRecord(await readSmallFile(join(folder, name), maxBytes));
        if (record !== undefined) records.set(name.slice(0, -suffix.length), record);
        else
          log.error({ file: join(folder, name) }, 'a record of a pod’s resources cannot be read; the pod is taken at its spec');
      }
      return records;
    },
    async save(uid, record) {
      await makeFolders(dataDir, folder, 0o700);
      await replaceFile(join(folder, `${uid}${suffix}`), JSON.stringify(record), 0o600);
    },
    async remove(uid) {
      await using open = await ifThere(openFolder(dataDir, folder));
      if (open !== undefined) await ifThere(open.unlink(`${uid}${suffix}`));
    },
  };
}

function parseRecord(text: string): PodRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The file is incomplete, which can happen when the machine loses power.
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
