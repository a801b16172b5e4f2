/**
 * Service accounts as which a component acts: each controller its own, with a token that is asked for and renewed before it ends. All share
 * one connection.
 *
 * Source: controller-manager `pkg/clientbuilder/client_builder_dynamic.go` (`--use-service-account-credentials`).
 */
import type { Logger } from 'pino';
import type { ObjectName } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { Client } from './client.ts';
import { type Clock, sleep } from './clock.ts';
import { discard } from './retry-after.ts';
import type { Transport } from './transport.ts';

/** The dependencies of {@link AccountTransports}. */
export interface AccountTransportsDeps {
  /** Asks for tokens, and makes accounts that are missing. */
  client: Client;
  /** A connection that shows no certificate: with one, the token would not count. */
  connection: Transport;
  clock: Clock;
  log: Logger;
}

/** Upstream's: an hour, of which a fifth is left when the next token is asked for. */
const tokenSeconds = 3600;
const usedShare = 0.8;
const retryMs = 1_000;

interface Token {
  text: string;
  renewAtMs: number;
}

/** Transports that act as service accounts of one namespace. */
export class AccountTransports {
  readonly #deps: AccountTransportsDeps;
  readonly #namespace: string;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(deps: AccountTransportsDeps, namespace = 'kube-system') {
    this.#deps = deps;
    this.#namespace = namespace;
  }

  /** Requests wait for the account's token. @param signal ends that wait */
  as(account: string, signal: AbortSignal): Transport {
    return async (request) => {
      for (let isSecond = false; ; isSecond = true) {
        const { text } = await this.#token(account, signal);
        const headers = { ...request.headers, authorization: `Bearer ${text}` };
        const response = await this.#deps.connection({ ...request, headers });
        if (response.status !== 401 || isSecond) return response;
        // The account was deleted and made again, or the keys have changed: the next token is good.
        await discard(response);
        this.#tokens.delete(account);
      }
    };
  }

  async #token(account: string, signal: AbortSignal): Promise<Token> {
    const known = this.#tokens.get(account);
    if (known !== undefined) {
      const token = await known;
      if (this.#deps.clock.now() < token.renewAtMs) return token;
    }
    // Whoever comes meanwhile waits for the same token.
    const current = this.#tokens.get(account);
    if (current !== undefined && current !== known) return await this.#token(account, signal);
    const asking = this.#ask(account, signal);
    this.#tokens.set(account, asking);
    asking.catch(() => this.#tokens.get(account) === asking && this.#tokens.delete(account));
    return await asking;
  }

  /** Until there is one. @throws the reason of `signal` */
  async #ask(account: string, signal: AbortSignal): Promise<Token> {
    const { client, clock, log } = this.#deps;
    const name: ObjectName = { namespace: this.#namespace, name: account };
    for (;;) {
      signal.throwIfAborted();
      try {
        const { status } = await client.createToken(name, { spec: { audiences: [], expirationSeconds: tokenSeconds } });
        const endMs = Date.parse(status?.expirationTimestamp ?? '');
        const lifeMs = Number.isNaN(endMs) ? tokenSeconds * 1000 : endMs - clock.now();
        return { text: status?.token ?? '', renewAtMs: clock.now() + lifeMs * usedShare };
      } catch (error) {
        if (isNotFound(error) && (await this.#made(name))) continue;
        if (!signal.aborted) log.warn({ err: error, account }, 'there is no token of a service account yet; trying again');
      }
      await sleep(clock, retryMs, signal);
    }
  }

  /** @returns whether the account exists now */
  async #made(name: ObjectName): Promise<boolean> {
    try {
      await this.#deps.client.resource('serviceaccounts').create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: name });
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return true;
      this.#deps.log.warn({ err: error, account: name.name }, 'a service account could not be made');
      return false;
    }
  }
}
