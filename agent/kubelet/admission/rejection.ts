export interface Rejection {
  reason: string;
  message: string;
}
