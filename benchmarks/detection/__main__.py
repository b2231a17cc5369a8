"""``python -m benchmarks.detection``."""

from benchmarks.detection.run import main

if __name__ == "__main__":
    main()
