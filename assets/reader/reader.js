// Keeps the reader's name in this browser, so that a reload does not sign answers with another one.

const YEAR = 365 * 24 * 60 * 60;

export default function ({ data }) {
  const name = encodeURIComponent(data.name);
  const kept = name ? YEAR : 0;
  document.cookie = `${data.cookie}=${name}; path=/; max-age=${kept}; SameSite=Strict`;
}
