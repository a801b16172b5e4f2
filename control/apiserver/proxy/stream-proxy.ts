/** How the API server hands a request to whoever answers it from a kubelet or a pod. */
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { Registry } from '../registry/registry.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { UpgradingConnection } from '../serving/filter-chain.ts';
import type { Connect } from './connect.ts';

/** Subresources whose answers come from a kubelet or a pod. */
export interface StreamProxy {
  handle(request: ProxiedRequest): Promise<TransportResponse>;
  /** Takes over a connection, and settles when it has ended. @throws ApiError while an ordinary answer can still be given */
  upgrade(exchange: ProxiedRequest & UpgradingConnection): Promise<void>;
}

/** A request that asks for a connection to somebody else, admitted already. */
export interface ProxiedRequest {
  request: TransportRequest;
  info: RequestInfo;
  /** As the subresource declares it. */
  connect: Connect;
  registry: Registry;
  /** To be called for what is a connect, before anything is connected to. @throws ApiError as an admission plugin says */
  admitConnect(): Promise<void>;
}
