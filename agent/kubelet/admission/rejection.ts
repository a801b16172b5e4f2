/** Why a pod was rejected or evicted: `reason` and `message` of its status, with upstream's texts. */
export interface Rejection {
  reason: string;
  message: string;
}
