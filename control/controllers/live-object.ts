/** Reads objects from the server instead of a cache, for decisions that cannot be undone. A cache may be stale. */
import type { ObjectName } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { isNotFound } from '#api/status.ts';
import type { Client } from '#client/client.ts';

/** Reads an object; undefined when it does not exist. @throws ApiError */
export async function liveObject<Id extends ResourceId>(
  client: Client,
  resource: Id,
  name: ObjectName,
): Promise<ResourceTypes[Id] | undefined> {
  try {
    return await client.resource(resource).get(name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
