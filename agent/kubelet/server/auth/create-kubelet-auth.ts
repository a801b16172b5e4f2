/** Assembles {@link KubeletAuth} from the kubelet's options. */
import type { KubeletDeps } from '../../kubelet-deps.ts';
import type { ResolvedOptions } from '../../options.ts';
import { KubeletAuth } from './kubelet-auth.ts';
import { createReviews } from './reviews.ts';

/** Authentication and authorization of the kubelet's server, by its flags. @throws Error for a client CA that cannot be read */
export function createKubeletAuth(
  deps: Pick<KubeletDeps, 'client' | 'clock' | 'random' | 'log'>,
  { nodeName, auth }: Pick<ResolvedOptions, 'nodeName' | 'auth'>,
): KubeletAuth {
  const reviews = createReviews(deps, {
    tokenMs: auth.tokenCacheMs,
    authorizedMs: auth.authorizedCacheMs,
    unauthorizedMs: auth.unauthorizedCacheMs,
  });
  const { anonymous, tokenWebhook, mode } = auth;
  return new KubeletAuth(reviews, deps.log, { nodeName, anonymous, tokenWebhook, mode });
}
