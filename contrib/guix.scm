;; conductor-trio as a Guix package: `guix build -f contrib/guix.scm`, `guix install -f contrib/guix.scm`, or
;; `guix shell -D -f contrib/guix.scm` for its development dependencies.

(use-modules (guix build-system pyproject)
             (guix gexp)
             (guix git-download)
             ((guix licenses) #:prefix license:)
             (guix packages)
             (gnu packages check)
             (gnu packages python-build)
             (gnu packages python-check)
             (gnu packages python-web)
             (gnu packages python-xyz)
             (gnu packages ssh))

(define %source-dir
  (dirname (current-source-directory)))

(package
  (name "conductor-trio")
  (version "0.1.0")
  (source
   (local-file %source-dir "conductor-trio-checkout"
               #:recursive? #t
               #:select? (or (git-predicate %source-dir)
                             (const #t))))
  (build-system pyproject-build-system)
  (arguments
   (list
    ;; The rest needs users, an SSH server and a browser, which a build does not have.
    #:test-flags #~(list "-m" "not e2e")
    #:phases
    #~(modify-phases %standard-phases
        (add-after 'install 'wrap-ssh
          ;; The client runs the user's ssh; one that is found on the PATH goes first.
          (lambda* (#:key inputs outputs #:allow-other-keys)
            (wrap-program (string-append #$output "/bin/conductor-trio")
              `("PATH" suffix
                (,(dirname (search-input-file inputs "/bin/ssh"))))))))))
  (native-inputs
   (list python-hypothesis
         python-pytest
         python-pytest-trio
         python-setuptools
         python-trustme
         python-wheel))
  (inputs
   (list openssh))
  (propagated-inputs
   (list python-attrs
         python-h11
         python-inotify-simple
         python-structlog
         python-trio
         python-trio-websocket))
  (home-page "https://example.org/conductor-trio")
  (synopsis "Private, stable web addresses for applications on compute nodes")
  (description
   "conductor-trio gives a web application that runs on a compute node of a cluster a private, stable web address,
over plain SSH: the client starts the application and offers it to a gateway, and the server there hands visitors
on who show the application's token.  No accounts beyond the cluster's own and no open ports are needed.")
  (license license:expat))
