/**
 * Token cleaner: deletes bootstrap tokens that have expired.
 *
 * Owns: -.  Watches: Secret.  Writes: deletes Secrets of kube-system.
 * Source: kubernetes `pkg/controller/bootstrap/tokencleaner.go`.
 */
import { bootstrapExpirationMs, bootstrapTokenNamespace, bootstrapTokenType } from '#api/bootstrap-token.ts';
import { keyOf } from '#api/meta.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import { type Controller, type ControllerDeps, done, requeueAfter } from '#client/controller.ts';

/** Makes the token cleaner. */
export const tokenCleaner = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'tokencleaner',
  watches: [
    {
      resource: 'secrets',
      keys: (secret) =>
        secret.type === bootstrapTokenType && secret.metadata.namespace === bootstrapTokenNamespace ? [keyOf(secret)] : [],
    },
  ],

  async reconcile(key) {
    const secret = caches.cache('secrets').get(key);
    const expirationMs = secret === undefined ? undefined : bootstrapExpirationMs(secret);
    if (secret === undefined || expirationMs === undefined) return done;
    const leftMs = expirationMs - clock.now();
    if (leftMs > 0) return requeueAfter(leftMs);
    const { namespace, name, uid } = secret.metadata;
    try {
      await client.resource('secrets').delete({ namespace, name }, { preconditions: { uid } });
    } catch (error) {
      // The secret is gone already, or another one has its name now.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return done;
  },
});
