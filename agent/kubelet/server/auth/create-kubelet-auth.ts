/** Puts {@link KubeletAuth} together, as the kubelet's options say. */
import type { KubeletDeps } from '../../kubelet-deps.ts';
import type { ResolvedOptions } from '../../options.ts';
import { KubeletAuth } from './kubelet-auth.ts';
import { createReviews } from './reviews.ts';

/**
 * Authentication and authorization of the kubelet's server, as its flags ask for. @throws Error for a client CA that cannot be
 * read
 */
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
