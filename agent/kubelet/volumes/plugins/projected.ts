/**
 * projected: several sources in one folder, and service-account tokens.
 *
 * Source: upstream `pkg/volume/projected/projected.go` (order, owner and mode of tokens).
 */
import type { Pod, ServiceAccountTokenProjection, VolumeProjection } from '#api/types.generated.ts';
import type { Payload, PayloadFile } from '../atomic-writer.ts';
import { filesPlugin } from '../files-volume.ts';
import type { PayloadContext, PayloadSources } from '../payload.ts';
import type { PluginDeps, VolumePlugin } from '../plugin.ts';
import { configMapPayload } from './config-map.ts';
import { downwardPayload } from './downward-api.ts';
import { secretPayload } from './secret.ts';

/** The user that all containers of the pod run as, if there is only one: that user then owns the token's file. */
function commonUser(pod: Pod): number | undefined {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

async function tokenPayload(
  { tokens }: PayloadSources,
  { pod, defaultMode }: PayloadContext,
  { path, audience, expirationSeconds = 3600 }: ServiceAccountTokenProjection,
): Promise<Payload> {
  const token = await tokens.token(pod, audience, expirationSeconds);
  const uid = commonUser(pod);
  const isRestricted = uid !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  return new Map([[path, { data: Buffer.from(token), mode: isRestricted ? 0o600 : defaultMode, uid }]]);
}

function payloadOf(sources: PayloadSources, context: PayloadContext, projection: VolumeProjection): Payload | Promise<Payload> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = projection;
  if (configMap !== undefined) return configMapPayload(sources, context, configMap);
  if (secret !== undefined) return secretPayload(sources, context, secret);
  if (downwardAPI !== undefined) return downwardPayload(context, downwardAPI.items ?? []);
  if (serviceAccountToken !== undefined) return tokenPayload(sources, context, serviceAccountToken);
  return new Map();
}

/** `kubernetes.io/projected`. Where two sources have the same path, the later one counts. */
export const projectedPlugin = (deps: PluginDeps): VolumePlugin =>
  filesPlugin(deps, {
    name: 'kubernetes.io/projected',
    isInMemory: true,
    source: ({ projected }) => projected,
    async payload({ sources = [] }, context) {
      const files = new Map<string, PayloadFile>();
      for (const projection of sources)
        for (const [path, file] of await payloadOf(deps.sources, context, projection)) files.set(path, file);
      return files;
    },
  });
