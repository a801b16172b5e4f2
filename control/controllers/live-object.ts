/** Objects as the server has them now. A cache may be behind, and then a decision that cannot be taken back would be wrong. */
import type { ObjectName } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { isNotFound } from '#api/status.ts';
import type { Client } from '#client/client.ts';

/** Undefined: there is none. @throws ApiError */
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
