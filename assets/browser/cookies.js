// Keeps the reader's name and the study of the last visit in this browser: a mapping of cookies in.

const YEAR = 365 * 24 * 60 * 60;

export default function ({ data }) {
  for (const [cookie, value] of Object.entries(data.cookies)) {
    const kept = value ? YEAR : 0;
    document.cookie =
      `${cookie}=${encodeURIComponent(value)}; path=/; max-age=${kept}; SameSite=Strict`;
  }
}
